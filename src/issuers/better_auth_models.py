"""Who a Better Auth server says is asking, and how that can fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from src.core.errors import InvalidToken, Problem


class Method(StrEnum):
    """What was presented and believed, as logs name it."""

    SESSION_TOKEN = "session-token"  # noqa: S105 - a name
    SIGNED_SESSION_TOKEN = "signed-session-token"  # noqa: S105 - a name
    COOKIE_CACHE = "cookie-cache"
    SHARED_SECRET_JWT = "shared-secret-jwt"  # noqa: S105 - a name
    SHARED_SECRET_JWT_EMAIL = "shared-secret-jwt-email"  # noqa: S105 - a name
    PUBLISHED_KEY_JWT = "published-key-jwt"
    PUBLISHED_KEY_JWT_EMAIL = "published-key-jwt-email"


@dataclass(frozen=True, slots=True)
class BetterAuthUser:
    """A row of Better Auth's `user` table; `id` is text and means nothing among our own ids."""

    id: str
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class ActiveSession:
    """A row of its `session` table that has not expired, without the token."""

    id: str
    expires_at: datetime
    ip_address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class BetterAuthIdentity:
    """Somebody who is signed in at Better Auth.

    `sessions` are the active ones, the longest-lived first and never none; `session` is the one
    whose token was presented, None where a JWT speaks for the user as a whole.
    """

    user: BetterAuthUser
    sessions: Sequence[ActiveSession]
    session: ActiveSession | None
    method: Method


class InvalidBetterAuthToken(InvalidToken):
    detail = "Invalid or expired JWT token"


class BetterAuthUserNotFound(Problem):
    slug = "user-not-found"
    title = "User not found"
    status = 404
    detail = "User not found with provided email"


class NoActiveSessions(Problem):
    slug = "no-active-sessions"
    title = "No active sessions"
    status = 404
    detail = "No active sessions found for user"
