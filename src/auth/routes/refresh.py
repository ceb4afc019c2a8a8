"""Refresh, the busiest route that changes something: a direct one (src/core/direct.py)."""

from typing import Annotated, Any, Final

from fastapi import Request
from pydantic import Field, TypeAdapter
from starlette.datastructures import Headers, MutableHeaders

from src.auth.dependencies import recording, token_mode
from src.auth.errors import (
    CrossSiteRequest,
    InvalidRefreshToken,
    InvalidTokenMode,
    RefreshTokenReused,
)
from src.auth.schemas import RefreshRequest, TokenResponse
from src.auth.sessions import Sessions
from src.core.bodies import json_body, validated
from src.core.direct import direct_router
from src.core.errors import InvalidRequest, MalformedBody, ServiceUnavailable, UnsupportedMediaType
from src.core.problem_json import documents

busy = direct_router(prefix="/auth", tags=["auth"])

KEY_HEADER: Final = "Idempotency-Key"
# At least 128 random bits: 22 characters of base64url, or a UUID.
_KEY = TypeAdapter(Annotated[str, Field(pattern=r"^[\x21-\x7e]{22,128}$")])
_BODY = TypeAdapter(RefreshRequest | None)

_REQUEST: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": KEY_HEADER,
            "in": "header",
            "required": False,
            "schema": _KEY.json_schema(),
            "description": "New for each rotation, at least 128 random bits (22 to 128 "
            "characters). Keep it until the answer is there; repeat it when none comes.",
        },
        {
            "name": "X-Token-Mode",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "enum": ["body", "cookie"], "default": "body"},
            "description": "Where the refresh token travels: in the JSON `body`, or in a `cookie` "
            "that scripts cannot read, for pages of the same origin.",
        },
    ],
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/RefreshRequest"},
                        {"type": "null"},
                    ],
                },
            },
        },
    },
}


@busy.post(
    "/refresh",
    openapi_extra=_REQUEST,
    responses=documents(
        MalformedBody,
        InvalidTokenMode,
        InvalidRefreshToken,
        RefreshTokenReused,
        CrossSiteRequest,
        UnsupportedMediaType,
        InvalidRequest,
        ServiceUnavailable,
    ),
)
async def refresh(request: Request) -> TokenResponse:
    """Exchange a refresh token for its successor (RFC 6749 §6).

    Repeating it is safe: within the grace time, and with the same `Idempotency-Key` for longer,
    the same successor comes back. Later a spent token ends its session.
    """
    document = await json_body(request)
    cookies = MutableHeaders()
    mode = token_mode(request, cookies)
    body = validated(_BODY, document, at="body")
    sessions: Sessions = request.state.sessions
    async with recording(request):
        with mode.clearing_on(InvalidRefreshToken, RefreshTokenReused):
            tokens = await sessions.refresh(
                mode.required(body.refresh_token if body else None),
                idempotency_key=_idempotency_key(request.headers),
            )
    answer = mode.deliver(tokens)
    request.state.response_headers.update(cookies)
    return answer


def _idempotency_key(headers: Headers) -> str | None:
    """Raises: RequestValidationError."""
    key = headers.get(KEY_HEADER)
    return None if key is None else validated(_KEY, key, at=("header", KEY_HEADER))
