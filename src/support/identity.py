"""Who is asking, by Better Auth: on `request.state` and, for what knows no request, in a context.

Both hold for the whole request, the stream of an answer included.
"""

from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from src.core.errors import InvalidToken, NotConfigured
from src.core.identity import presented_bearer_token
from src.issuers.better_auth import BetterAuth, BetterAuthIdentity, InvalidBetterAuthToken
from src.support.errors import MissingBetterAuthToken

BETTER_AUTH_SCHEME: Final = "BetterAuthToken"

_of_request: ContextVar[BetterAuthIdentity] = ContextVar("better_auth_identity")


def current_identity() -> BetterAuthIdentity:
    """The user and their active sessions. Raises: LookupError outside of a support request."""
    return _of_request.get()


class _BetterAuthBearer(SecurityBase):
    """OpenAPI reads it, calling it asks Better Auth's tables."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(
            description="Paste a session token or a JWT of the Better Auth server.",
        )
        self.scheme_name = BETTER_AUTH_SCHEME

    async def __call__(self, request: Request) -> BetterAuthIdentity:
        """Raises: `NotConfigured`, before anything is looked at; what `BetterAuth.resolve` does."""
        better_auth: BetterAuth | None = request.state.better_auth
        if better_auth is None:
            raise NotConfigured
        return await better_auth.resolve(_presented(request))


def _presented(request: Request) -> str:
    """Raises: `MissingBetterAuthToken`, `InvalidBetterAuthToken` for a malformed header."""
    try:
        token = presented_bearer_token(request)
    except InvalidToken as error:
        raise InvalidBetterAuthToken(cause=error.cause) from error
    if token is None:
        raise MissingBetterAuthToken(cause="no bearer token")
    return token


async def identify(
    request: Request,
    identity: Annotated[BetterAuthIdentity, Depends(_BetterAuthBearer())],
) -> AsyncIterator[BetterAuthIdentity]:
    request.state.identity = identity
    outer = _of_request.set(identity)
    try:
        yield identity
    finally:
        _of_request.reset(outer)


CurrentBetterAuthIdentity = Annotated[BetterAuthIdentity, Depends(identify)]
