"""What the endpoints for service clients are given: the client, and the parameters of its form."""

import base64
import binascii
from typing import Annotated
from urllib.parse import unquote_plus

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBase as HTTPBaseModel
from fastapi.security.base import SecurityBase

from src.auth.dependencies import LimitedAttempts
from src.auth.errors import FormExpected
from src.auth.inspection import TokenInspection
from src.auth.models import ServiceClient
from src.auth.oauth_errors import InvalidClient, InvalidOAuthRequest, UnauthorizedClient
from src.auth.service_clients import ServiceClients
from src.auth.service_tokens import ServiceTokens
from src.core.bodies import FORM_TYPE, media_type_of, parse_form
from src.core.db import DbSession
from src.core.errors import MalformedBody, NotConfigured

CLIENT_SCHEME = "ServiceClient"

Credentials = tuple[str, str]


async def get_parameters(request: Request) -> dict[str, str]:
    """The form's parameters; an empty one counts as absent (RFC 6749 §3.2).

    Raises: `FormExpected`, `InvalidOAuthRequest`.
    """
    body = await request.body()
    if body and media_type_of(request) != FORM_TYPE:
        raise FormExpected
    try:
        return {name: value for name, value in parse_form(body).items() if value}
    except MalformedBody as error:
        raise InvalidOAuthRequest(cause=error.cause) from error


Parameters = Annotated[dict[str, str], Depends(get_parameters)]


class _ClientCredentials(SecurityBase):
    """The client's id and secret: OpenAPI reads it, calling it finds them (RFC 6749 §2.3.1)."""

    def __init__(self) -> None:
        self.model = HTTPBaseModel(
            scheme="basic",
            description="`client_id` and `client_secret` of a registered service client. "
            "Both may be sent in the form instead.",
        )
        self.scheme_name = CLIENT_SCHEME

    async def __call__(self, request: Request, parameters: Parameters) -> Credentials:
        """Raises: `InvalidClient` without credentials, `InvalidOAuthRequest` for too many."""
        headers = request.headers.getlist("authorization")
        if len(headers) > 1 or (headers and "client_secret" in parameters):
            raise InvalidOAuthRequest(cause="several credentials")
        if headers:
            client_id, secret = _from_basic(headers[0])
            if parameters.get("client_id", client_id) != client_id:
                raise InvalidOAuthRequest(cause="two client ids")
            return client_id, secret
        if "client_id" not in parameters or "client_secret" not in parameters:
            raise InvalidClient(cause="no credentials")
        return parameters["client_id"], parameters["client_secret"]


def _from_basic(header: str) -> Credentials:
    """Id and secret, each of them form-encoded inside. Raises: `InvalidClient`."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient(cause="not Basic")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidClient(cause="malformed Basic") from error
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


async def get_service_client(
    request: Request,
    credentials: Annotated[Credentials, Depends(_ClientCredentials())],
    db: DbSession,
    attempts: LimitedAttempts,
) -> ServiceClient:
    """Raises: `InvalidClient`, `TooManyRequests` after many of those from one address."""
    clients = ServiceClients(db, clock=request.state.clock)
    try:
        return await clients.authenticate(*credentials)
    except InvalidClient:
        await attempts.count_wrong_client()
        raise


AuthenticatedClient = Annotated[ServiceClient, Depends(get_service_client)]


async def require_introspecting(client: AuthenticatedClient) -> None:
    """Raises: `UnauthorizedClient`."""
    if not client.may_introspect:
        raise UnauthorizedClient(cause="registered without --introspect")


async def get_presented_token(parameters: Parameters) -> str:
    """Raises: `InvalidOAuthRequest`. `token_type_hint` is not needed: every kind is looked for."""
    if "token" not in parameters:
        raise InvalidOAuthRequest(cause="no token")
    return parameters["token"]


async def get_service_tokens(request: Request) -> ServiceTokens:
    """Raises: `NotConfigured`."""
    tokens: ServiceTokens | None = request.state.service_tokens
    if tokens is None:
        raise NotConfigured(cause="SERVICE_TOKEN_SECRET")
    return tokens


async def get_inspection(request: Request) -> TokenInspection:
    inspection: TokenInspection = request.state.inspection
    return inspection


INTROSPECTING = Depends(require_introspecting)
PresentedToken = Annotated[str, Depends(get_presented_token)]
ServiceTokensService = Annotated[ServiceTokens, Depends(get_service_tokens)]
InspectionService = Annotated[TokenInspection, Depends(get_inspection)]
