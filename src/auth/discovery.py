"""What services read to find their way here: public keys, and where which endpoint is."""

import hashlib
import json
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from src.auth.key_ring import public_jwks
from src.auth.keys import Keys

CACHE_SECONDS: Final = 300
CACHED: Final = f"public, max-age={CACHE_SECONDS}"

ClientAuthentication = Literal["client_secret_basic", "client_secret_post"]
_CLIENT_AUTHENTICATION: Final[list[ClientAuthentication]] = [
    "client_secret_basic",
    "client_secret_post",
]


class PublicJwk(BaseModel):
    """A public key (RFC 7517 §4): `crv`, `x`, `y` of ES256, or `n`, `e` of RS256."""

    kty: Literal["EC", "RSA"]
    alg: Literal["ES256", "RS256"]
    use: Literal["sig"]
    kid: Annotated[str, Field(description="its thumbprint (RFC 7638)")]
    crv: str | None = None
    x: str | None = None
    y: str | None = None
    n: str | None = None
    e: str | None = None


class JwkSet(BaseModel):
    """Public keys of access tokens (RFC 7517 §5); none under HS256."""

    keys: list[PublicJwk]


class AuthorizationServer(BaseModel):
    """RFC 8414 §2. `response_types_supported` must be there; nothing is authorised by redirects."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    response_types_supported: list[str] = []
    grant_types_supported: list[Literal["client_credentials"]] = ["client_credentials"]
    token_endpoint_auth_methods_supported: list[ClientAuthentication] = _CLIENT_AUTHENTICATION
    revocation_endpoint_auth_methods_supported: list[ClientAuthentication] = _CLIENT_AUTHENTICATION
    introspection_endpoint_auth_methods_supported: list[ClientAuthentication] = (
        _CLIENT_AUTHENTICATION
    )


async def get_jwks_response(
    request: Request,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The published, active and retiring keys, or 304 when the client's are the same."""
    keys: Keys = request.state.keys
    document = public_jwks(keys.access.unexpired)
    digest = hashlib.sha256(json.dumps(document).encode()).hexdigest()
    headers = {"ETag": f'"{digest[:32]}"', "Cache-Control": CACHED}
    if if_none_match and headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    return JSONResponse(document, headers=headers)


async def get_server_metadata(request: Request, response: Response) -> AuthorizationServer:
    """By the name that the settings give us, or else by the one that we were asked by.

    The latter is for nobody else, so no cache may keep it.
    """
    issuer = request.state.settings.JWT_ISSUER
    is_ours = _is_url(issuer)
    base = issuer.rstrip("/") if is_ours else str(request.base_url).rstrip("/")
    response.headers["Cache-Control"] = CACHED if is_ours else "no-store"
    return AuthorizationServer(
        issuer=issuer if is_ours else base,
        token_endpoint=f"{base}/auth/token",
        revocation_endpoint=f"{base}/auth/revoke",
        introspection_endpoint=f"{base}/auth/introspect",
        jwks_uri=f"{base}/.well-known/jwks.json",
    )


def _is_url(issuer: str) -> bool:
    """RFC 8414 §2: an address without query and fragment."""
    parts = urlsplit(issuer)
    named = parts.scheme in ("http", "https") and bool(parts.netloc)
    return named and not (parts.query or parts.fragment)


JwksResponse = Annotated[Response, Depends(get_jwks_response)]
ServerMetadata = Annotated[AuthorizationServer, Depends(get_server_metadata)]
