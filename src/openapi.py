"""What FastAPI's OpenAPI document cannot say by itself."""

from typing import Any, Final

from src.auth.schemas import LoginRequest, RefreshRequest
from src.core.bodies import FORM_TYPE
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
from src.openapi_examples import BODIES, IDS, PARAMETERS
from src.openapi_links import add_links

PASSWORD_SCHEME: Final = "Password"  # noqa: S105 - the scheme's name

DESCRIPTION: Final = """\
**Try it:** run `POST /auth/signup` as it is, then *Authorize* with the same e-mail and password,
or as one of the demo users that `make run` names. A pasted access token works as well.

Every failure is `application/problem+json` (RFC 9457): switch on its `type`, which never changes,
and quote its `request_id`. What service clients are refused with is RFC 6749's `error`.
"""

TAGS: Final = [
    {"name": "auth", "description": "Accounts, sessions and their tokens"},
    {"name": "chat", "description": "Conversations with the assistant"},
    {"name": "anatomy", "description": "The parts of the body, and one's own records on them"},
    {"name": "admin", "description": "For administrators: accounts and everybody's history"},
    {"name": "services", "description": "For other programs: their tokens, keys and memories"},
    {"name": "support", "description": "ChatKit threads of the users of Better Auth"},
    {"name": "system", "description": "Whether the service lives and may be sent requests"},
]

# As who reads the page would try them.
FIRST_PATHS: Final = ("/auth/signup", "/auth/login")

HEADERS: Final = {
    "X-Request-ID": "names this request in our logs",
    "WWW-Authenticate": 'how to authenticate; `error="invalid_token"`: refresh, and repeat once',
    "Retry-After": "seconds to wait",
    "RateLimit": "what is left of each limit, and the seconds until there is more",
    "RateLimit-Policy": "each limit: its quota, and its window in seconds",
}

Document = dict[str, Any]


def amended(document: Document) -> Document:
    """The document with problems as they are sent, examples, headers, links, log-in by password."""
    document["info"]["description"] = DESCRIPTION
    document["tags"] = TAGS
    paths = document["paths"]
    document["paths"] = {**{path: paths.pop(path) for path in FIRST_PATHS}, **paths}
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = SCHEMA
    for model in (LoginRequest, RefreshRequest):  # of routes that read their bodies themselves
        schemas.setdefault(model.__name__, model.model_json_schema())
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["headers"] = {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in HEADERS.items()
    }
    components.setdefault("securitySchemes", {})[PASSWORD_SCHEME] = {
        "type": "oauth2",
        "description": "Enter your e-mail as username.",
        "flows": {"password": {"tokenUrl": "/auth/login", "scopes": {}}},
    }
    for operation in _operations(document):
        _amend_operation(operation)
    add_links({operation["operationId"]: operation for operation in _operations(document)})
    return document


def _operations(document: Document) -> list[Document]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def _amend_operation(operation: Document) -> None:
    operation["summary"] = operation["summary"].capitalize()
    for parameter in operation.get("parameters", []):
        _leave_null_out(parameter["schema"])
    _add_problems(operation)
    _add_headers(operation["responses"])
    _add_examples(operation)


def _leave_null_out(schema: Document) -> None:
    """A parameter is text or is absent; null, which FastAPI names as well, nobody can send."""
    alternatives = schema.pop("anyOf", [])
    for alternative in alternatives:
        if alternative != {"type": "null"}:
            schema.update(alternative)


def _add_problems(operation: Document) -> None:
    """Name the problems that come from the framework around the endpoint."""
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


def _add_headers(responses: Document) -> None:
    """Where there is a limit, every answer tells how much of it is left."""
    limits = ("RateLimit", "RateLimit-Policy") if "429" in responses else ()
    by_status = {"401": ("WWW-Authenticate",), "429": ("Retry-After",), "503": ("Retry-After",)}
    for status, response in responses.items():
        response["headers"] = {
            name: {"$ref": f"#/components/headers/{name}"}
            for name in ("X-Request-ID", *by_status.get(status, ()), *limits)
        } | response.get("headers", {})


def _add_examples(operation: Document) -> None:
    name = operation["operationId"]
    for parameter in operation.get("parameters", []):
        of_any = IDS.get(parameter["name"]) if parameter["in"] == "path" else None
        if example := PARAMETERS.get((name, parameter["name"]), of_any):
            parameter["example"] = example
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        key = "log_in_by_form" if (name, media_type) == ("log_in", FORM_TYPE) else name
        if key not in BODIES:
            continue
        content["example"] = BODIES[key]
        if media_type == FORM_TYPE:  # Swagger UI fills each field of a form by itself
            for field, schema in content["schema"]["properties"].items():
                schema["example"] = BODIES[key].get(field, "")
