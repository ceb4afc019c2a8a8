"""OAuth errors as they are sent and documented."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.responses import Response

from src.auth.oauth_errors import OAuthRefusal
from src.core.logging import log_event


class OAuthErrorView(BaseModel):
    """A refusal by RFC 6749 §5.2. Switch on `error`."""

    error: str
    error_description: str


async def handle_oauth_error(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, OAuthRefusal)  # noqa: S101 - registered for this class alone
    log_event("oauth-error", error=exc.error, status=exc.status, cause=exc.cause)
    return JSONResponse(_members(exc), status_code=exc.status, headers=exc.headers)


def documents_oauth(*errors: type[OAuthRefusal]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for the errors of one endpoint, with an example each."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        response = responses.setdefault(
            error.status,
            {"model": OAuthErrorView, "content": {"application/json": {"examples": {}}}},
        )
        examples = response["content"]["application/json"]["examples"]
        examples[error.error] = {"value": _members(error())}
    return responses


def _members(error: OAuthRefusal) -> dict[str, str]:
    return {"error": error.error, "error_description": error.description}
