"""What FastAPI's OpenAPI document cannot say by itself."""

from typing import Any, Final

from src.auth.schemas import LoginRequest
from src.core.identity import BEARER_SCHEME
from src.core.problem_json import MEDIA_TYPE, SCHEMA

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
    if {BEARER_SCHEME: []} in operation.get("security", []):
        operation["security"].append({PASSWORD_SCHEME: []})
    unprocessable = operation["responses"].get("422")
    if unprocessable and MEDIA_TYPE not in unprocessable["content"]:
        unprocessable["content"] = {
            MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}},
        }
        unprocessable["description"] = "Unprocessable Content"


def _login_schema() -> Document:
    """The log-in body is dispatched by content type, so FastAPI does not see its model."""
    return LoginRequest.model_json_schema()
