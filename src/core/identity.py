"""Who is asking. Features depend on this port and know nothing of tokens.

`app.py` plugs implementations of `Authenticate` and `StillSignedIn` into the lifespan state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from src.core.errors import AuthenticationRequired, InvalidToken

BEARER_SCHEME = "AccessToken"


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated caller. `user_id` comes from the token's `sub` and from nowhere else."""

    user_id: UUID
    session_id: str
    roles: Sequence[str]
    issued_at: datetime
    expires_at: datetime


class Authenticate(Protocol):
    """Tells whom an access token speaks for.

    Raises: `InvalidToken` when it does not verify, `ServiceUnavailable` when that cannot be told.
    """

    async def __call__(self, access_token: str) -> Identity: ...


class StillSignedIn(Protocol):
    """Tells whether somebody who was authenticated a while ago is accepted still.

    For answers that take longer than a moment: an access token that expires meanwhile is no reason.
    Raises: `ServiceUnavailable` when that cannot be told.
    """

    async def __call__(self, identity: Identity) -> bool: ...


def presented_bearer_token(request: Request) -> str | None:
    """The bearer token of the request, None where there is none or the scheme is another one.

    Raises: `InvalidToken` for more than one Authorization header or an empty token.
    Source: RFC 6750 §2.1 and §3, RFC 9110 §11.1 (the scheme's name is case-insensitive).
    """
    values = [v for name, v in request.scope["headers"] if name == b"authorization"]
    if not values:
        return None
    scheme, _, credentials = values[0].partition(b" ")
    if len(values) > 1:
        raise InvalidToken(cause="more than one Authorization header")
    if scheme.lower() != b"bearer":
        return None
    if not credentials:
        raise InvalidToken(cause="an empty bearer token")
    return str(credentials, "latin-1")


class _AccessTokenBearer(SecurityBase):
    """The one dependency of protected routes: OpenAPI reads it, calling it authenticates."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(
            bearerFormat="JWT",
            description="Paste the `access_token` of a log-in.",
        )
        self.scheme_name = BEARER_SCHEME

    async def __call__(self, request: Request) -> Identity:
        access_token = presented_bearer_token(request)
        if access_token is None:
            raise AuthenticationRequired
        authenticate: Authenticate = request.state.authenticate
        return await authenticate(access_token)


_bearer = _AccessTokenBearer()

CurrentIdentity = Annotated[Identity, Depends(_bearer)]


async def current_user_id(identity: CurrentIdentity) -> UUID:
    return identity.user_id


CurrentUserId = Annotated[UUID, Depends(current_user_id)]
