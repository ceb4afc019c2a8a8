"""Service tokens for service clients (RFC 6749 §4.4)."""

from collections.abc import Mapping

from src.auth.audit import Event, note
from src.auth.models import ServiceClient
from src.auth.oauth_errors import (
    InvalidOAuthRequest,
    InvalidScope,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from src.auth.schemas import ServiceTokenResponse
from src.auth.service_tokens import LIFETIME, ServiceTokens


def grant_service_token(
    client: ServiceClient,
    parameters: Mapping[str, str],
    tokens: ServiceTokens,
) -> ServiceTokenResponse:
    """A token for the client's customer.

    Raises: `InvalidOAuthRequest`, `UnsupportedGrantType`, `InvalidScope`, and `UnauthorizedClient`
    for a client without a customer.
    """
    if "grant_type" not in parameters:
        raise InvalidOAuthRequest(cause="no grant_type")
    if parameters["grant_type"] != "client_credentials":
        raise UnsupportedGrantType
    if "scope" in parameters:
        raise InvalidScope
    if client.customer_id is None:
        raise UnauthorizedClient(cause="a client without a customer")
    access_token = tokens.mint(client.customer_id, client_id=str(client.id))
    note(
        Event.SERVICE_TOKEN_ISSUED,
        client_id=str(client.id),
        customer_id=client.customer_id,
    )
    return ServiceTokenResponse(
        access_token=access_token,
        expires_in=int(LIFETIME.total_seconds()),
    )
