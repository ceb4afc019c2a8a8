"""What can fail with accounts, log-ins and refresh tokens."""

from collections.abc import Mapping
from typing import ClassVar

from src.core.errors import LimitReached, Problem, UnsupportedMediaType


class InvalidTokenMode(Problem):
    slug = "invalid-token-mode"
    title = "Invalid token mode"
    status = 400
    detail = (
        "X-Token-Mode is `body` (the default) or `cookie`. "
        "In cookie mode no body carries a refresh token."
    )


class CrossSiteRequest(Problem):
    slug = "cross-site-request"
    title = "Cross-site request"
    status = 403
    detail = "Cookie mode is for pages of this server's own origin. Others use X-Token-Mode: body."


class InvalidCredentials(Problem):
    slug = "invalid-credentials"
    title = "Invalid credentials"
    status = 401
    detail = "The e-mail or the password is wrong."
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class InvalidRefreshToken(Problem):
    slug = "invalid-refresh-token"
    title = "Invalid refresh token"
    status = 401
    detail = "This refresh token is not valid (any more). Log in again."
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class RefreshTokenReused(Problem):
    slug = "refresh-token-reused"
    title = "Refresh token reused"
    status = 401
    detail = "This refresh token was already exchanged. The session has been ended."
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class SessionNotFound(Problem):
    slug = "session-not-found"
    title = "Session not found"
    status = 404
    detail = "Session not found or access denied"


class InsufficientRole(Problem):
    """Source of the header: RFC 6750 §3.1."""

    slug = "insufficient-role"
    title = "Insufficient role"
    status = 403
    detail = "Your account lacks the role that this needs."
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


class UserNotFound(Problem):
    slug = "user-not-found"
    title = "User not found"
    status = 404
    detail = "There is no user with this id."


class LastAdministrator(Problem):
    slug = "last-administrator"
    title = "Last administrator"
    status = 409
    detail = "This is the last active administrator. Make somebody else one first."


class WrongPassword(Problem):
    slug = "wrong-password"
    title = "Wrong password"
    status = 403
    detail = "The current password is wrong."


class EmailTaken(Problem):
    slug = "email-taken"
    title = "E-mail taken"
    status = 409
    detail = "An account with this e-mail exists. Log in instead."


class UsernameTaken(Problem):
    slug = "username-taken"
    title = "Username taken"
    status = 409
    detail = "This username belongs to somebody else. Choose another."


class WeakPassword(Problem):
    slug = "weak-password"
    title = "Weak password"
    status = 422
    detail = "This password is not accepted; `errors` says why."


class TooManyRequests(LimitReached):
    detail = "Too many attempts from here. Try again after as many seconds as Retry-After says."


class HashingBusy(Problem):
    """The queue for password hashing is full."""

    slug = "service-unavailable"
    title = "Service unavailable"
    status = 503
    detail = "Too many log-ins at the moment. Try again in a few seconds."
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class FormExpected(UnsupportedMediaType):
    detail = "Send the body as application/x-www-form-urlencoded, with that Content-Type."
