"""For registered service clients: service tokens, and what a token is worth."""

from typing import Any, Final

from fastapi import Response

from src.auth.client_dependencies import (
    INTROSPECTING,
    AuthenticatedClient,
    InspectionService,
    Parameters,
    PresentedToken,
    ServiceTokensService,
)
from src.auth.client_grants import grant_service_token
from src.auth.dependencies import RECORDED
from src.auth.errors import FormExpected, TooManyRequests
from src.auth.oauth_errors import (
    InvalidClient,
    InvalidOAuthRequest,
    InvalidScope,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedTokenType,
)
from src.auth.oauth_responses import documents_oauth
from src.auth.schemas import Introspection, ServiceTokenResponse
from src.core.bodies import FORM_TYPE
from src.core.errors import NotConfigured, PayloadTooLarge, ServiceUnavailable
from src.core.problem_json import documents
from src.core.routers import Router

router = Router(
    dependencies=[RECORDED],
    prefix="/auth",
    tags=["services"],
    responses={
        **documents_oauth(InvalidOAuthRequest, InvalidClient, UnauthorizedClient),
        **documents(PayloadTooLarge, FormExpected, TooManyRequests, ServiceUnavailable),
    },
)

_CREDENTIALS: Final = {
    "client_id": {"type": "string"},
    "client_secret": {"type": "string", "format": "password"},
}


def _form(title: str, required: str, **properties: dict[str, str | int]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "title": title,
        "required": [required],
        "properties": {**properties, **_CREDENTIALS},
        "additionalProperties": {"type": "string"},  # passed over, but never twice
    }
    return {"requestBody": {"required": True, "content": {FORM_TYPE: {"schema": schema}}}}


_TOKEN_FORM: Final[dict[str, dict[str, str | int]]] = {
    "token": {
        "type": "string",
        "minLength": 1,
        "description": "an access, refresh or service token",
    },
    "token_type_hint": {"type": "string", "description": "not needed"},
}


@router.post(
    "/token",
    openapi_extra=_form(
        "ClientCredentialsForm",
        "grant_type",
        grant_type={"type": "string", "const": "client_credentials"},
    ),
    responses={
        **documents_oauth(
            InvalidOAuthRequest, UnauthorizedClient, UnsupportedGrantType, InvalidScope
        ),
        **documents(NotConfigured, ServiceUnavailable),
    },
)
async def issue_service_token(
    tokens: ServiceTokensService,
    client: AuthenticatedClient,
    parameters: Parameters,
) -> ServiceTokenResponse:
    """A service token of 15 minutes for the client's customer (RFC 6749 §4.4)."""
    return grant_service_token(client, parameters, tokens)


@router.post(
    "/introspect",
    dependencies=[INTROSPECTING],
    openapi_extra=_form("IntrospectionForm", "token", **_TOKEN_FORM),
    response_model_exclude_none=True,
)
async def introspect(token: PresentedToken, inspection: InspectionService) -> Introspection:
    """Whether a token would be accepted now, and what it says then (RFC 7662)."""
    return await inspection.introspect(token)


@router.post(
    "/revoke",
    dependencies=[INTROSPECTING],
    response_class=Response,
    openapi_extra=_form("RevocationForm", "token", **_TOKEN_FORM),
    responses=documents_oauth(InvalidOAuthRequest, UnauthorizedClient, UnsupportedTokenType),
)
async def revoke(token: PresentedToken, inspection: InspectionService) -> None:
    """End the session of an access or refresh token (RFC 7009); 200 for unknown ones as well."""
    await inspection.revoke(token)
