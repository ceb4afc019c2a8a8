"""What FastAPI's OpenAPI document cannot say by itself."""

from typing import Any, Final

from src.auth.schemas import LoginRequest
from src.core.errors import (
    InvalidRequest,
    MalformedBody,
    PayloadTooLarge,
    Problem,
    ServiceUnavailable,
    UnsupportedMediaType,
)
from src.core.identity import BEARER_SCHEME
from src.core.problem_json import MEDIA_TYPE, SCHEMA, documents

PASSWORD_SCHEME: Final = "Password"  # noqa: S105 - the scheme's name

Document = dict[str, Any]


def amended(document: Document) -> Document:
    """The document with the schema of problems, 422 as it is sent, and log-in by password."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = SCHEMA
    schemas.setdefault("LoginRequest", _login_schema())
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components.setdefault("securitySchemes", {})[PASSWORD_SCHEME] = {
        "type": "oauth2",
        "description": "Enter your e-mail as username.",
        "flows": {"password": {"tokenUrl": "/auth/login", "scopes": {}}},
    }
    for operation in _operations(document):
        _amend_operation(operation)
    return document


def _operations(document: Document) -> list[Document]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def _amend_operation(operation: Document) -> None:
    responses = operation["responses"]
    if {BEARER_SCHEME: []} in operation.get("security", []):
        operation["security"].append({PASSWORD_SCHEME: []})
        _add(responses, ServiceUnavailable)
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        _add(responses, MalformedBody, PayloadTooLarge, UnsupportedMediaType)
    if "422" in responses:
        if MEDIA_TYPE not in responses["422"]["content"]:  # FastAPI's own, which we never send
            del responses["422"]
        _add(responses, InvalidRequest)


def _add(responses: Document, *problems: type[Problem]) -> None:
    """Add problems beside those that the operation names for the same status."""
    for status, response in documents(*problems).items():
        present = responses.setdefault(str(status), response)
        examples = present["content"][MEDIA_TYPE]["examples"]
        examples.update(response["content"][MEDIA_TYPE]["examples"] | examples)


def _login_schema() -> Document:
    """The log-in body is dispatched by content type, so FastAPI does not see its model."""
    return LoginRequest.model_json_schema()
