"""Where other services look first."""

from fastapi import Response

from src.auth.discovery import AuthorizationServer, JwkSet, JwksResponse, ServerMetadata
from src.core.routers import Router

router = Router(prefix="/.well-known", tags=["services"])


@router.get(
    "/jwks.json",
    response_model=JwkSet,
    responses={304: {"description": "Nothing changed"}},
)
async def read_public_keys(keys: JwksResponse) -> Response:
    """The keys that verify access tokens; none under HS256. Ask with `If-None-Match`.

    A key is here before it signs and until its last token has expired.
    """
    return keys


@router.get("/oauth-authorization-server")
async def read_server_metadata(metadata: ServerMetadata) -> AuthorizationServer:
    """Endpoints and what they take (RFC 8414)."""
    return metadata
