"""For which customer a service asks. Features depend on this port and know nothing of tokens.

`app.py` plugs an implementation of `AuthenticateCustomer` into the lifespan state.
"""

from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from src.core.errors import AuthenticationRequired, InvalidToken, NotConfigured
from src.core.identity import presented_bearer_token

SERVICE_SCHEME = "ServiceToken"


class MissingAuthorization(AuthenticationRequired):
    detail = "Missing Authorization header"


class InvalidServiceToken(InvalidToken):
    detail = "Invalid token"


class ServiceTokenExpired(InvalidToken):
    detail = "Token expired"


class MissingCustomer(InvalidToken):
    detail = "Invalid token: missing customer_id"


class AuthenticateCustomer(Protocol):
    """The id of the customer that a service token speaks for; equal ids are equal texts.

    Raises: `InvalidServiceToken`, `ServiceTokenExpired`, `MissingCustomer`; `ServiceUnavailable`
    when that cannot be told.
    """

    async def __call__(self, service_token: str) -> str: ...


class _ServiceTokenBearer(SecurityBase):
    """OpenAPI reads it, calling it authenticates."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(
            bearerFormat="JWT",
            description="Paste the `access_token` of `POST /auth/token`.",
        )
        self.scheme_name = SERVICE_SCHEME

    async def __call__(self, request: Request) -> str:
        """Raises: `NotConfigured`, before anything is looked at."""
        authenticate: AuthenticateCustomer | None = request.state.authenticate_customer
        if authenticate is None:
            raise NotConfigured
        return await authenticate(_presented(request))


def _presented(request: Request) -> str:
    """Raises: `MissingAuthorization`, `InvalidServiceToken` for a header without one token."""
    if "authorization" not in request.headers:
        raise MissingAuthorization
    try:
        token = presented_bearer_token(request)
    except InvalidToken as error:
        raise InvalidServiceToken(cause=error.cause) from error
    if token is None:
        raise InvalidServiceToken(cause="no bearer token")
    return token


CurrentCustomerId = Annotated[str, Depends(_ServiceTokenBearer())]
