"""Problems as `application/problem+json` (RFC 9457): the one place that renders a failure."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from src.core.errors import (
    BadRequest,
    FieldError,
    HeaderTooLarge,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    RequestTimeout,
    UnsupportedMediaType,
    json_pointer,
)
from src.core.logging import log_event

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 10
MAX_DETAIL_CHARACTERS = 200
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

_BY_STATUS: dict[int, type[Problem]] = {
    400: BadRequest,
    404: NotFound,
    405: MethodNotAllowed,
    408: RequestTimeout,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
    422: InvalidRequest,
    431: HeaderTooLarge,
}

# By RFC 9110 §15.5, which Python follows from 3.13 on.
_PHRASES: Final = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "A failure, by RFC 9457. Switch on `type`.",
    "required": ["type", "title", "status", "detail", "request_id", "success", "error"],
    "properties": {
        "type": {"type": "string", "description": "stable name of the problem"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what to do about it"},
        "request_id": {"type": "string", "description": "quote it when you report the problem"},
        "success": {"type": "boolean", "const": False},
        "error": {"type": "string", "description": "a copy of `detail`"},
        "errors": {
            "type": "array",
            "description": "the members that are wrong; never what was sent",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer (RFC 6901)"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def phrase_of(status: int) -> str:
    """What a status is called, the same whatever the Python."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def documents(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for the problems of one endpoint, with an example each.

    Not `model=`: that would add a false `application/json`.
    """
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        response = responses.setdefault(
            problem.status,
            {
                "description": phrase_of(problem.status),
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "examples": {},
                    },
                },
            },
        )
        response["content"][MEDIA_TYPE]["examples"][problem.slug] = {
            "value": document(problem(), request_id="01981c2e-7a4b-7c3e-9d5f-0123456789ab"),
        }
    return responses


def render(problem: Problem, *, request_id: str) -> Response:
    """The response for a problem."""
    return Response(
        json.dumps(document(problem, request_id=request_id)).encode(),
        status_code=problem.status,
        headers=problem.all_headers,
        media_type=MEDIA_TYPE,
    )


def document(problem: Problem, *, request_id: str) -> dict[str, Any]:
    """The members of a problem as they are sent."""
    members: dict[str, Any] = {
        "type": f"urn:problem:{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request_id,
        "success": False,
        "error": problem.detail,
    }
    if problem.errors:
        members["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in problem.errors]
    return members


async def handle_problem(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Problem)  # noqa: S101 - registered for this class alone
    log_problem(exc)
    return render(exc, request_id=request.state.request_id)


def log_problem(problem: Problem) -> None:
    ours = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    log_event(
        "problem",
        level=logging.WARNING if ours else logging.INFO,
        problem=problem.slug,
        status=problem.status,
        cause=problem.cause,
    )


async def handle_http_exception(request: Request, exc: Exception) -> Response:
    """The framework's own failures: an unknown path, a wrong method."""
    assert isinstance(exc, HTTPException)  # noqa: S101 - registered for this class alone
    problem_class = _BY_STATUS.get(exc.status_code) or _unnamed(exc.status_code)
    headers = allowed_methods(request) if problem_class is MethodNotAllowed else exc.headers
    problem = problem_class(headers=headers)
    return render(problem, request_id=request.state.request_id)


def allowed_methods(request: Request) -> dict[str, str]:
    """The Allow header of all routes at the address; the framework names those of the first."""
    routes = request.app.router.routes
    scope = {"type": "http", "path": request.scope["path"], "headers": []}
    found = [
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return {"Allow": ", ".join(["HEAD", *found] if "GET" in found else found)}


async def handle_validation_error(request: Request, exc: Exception) -> Response:
    """422 that says which members are wrong and never repeats what was sent."""
    assert isinstance(exc, RequestValidationError)  # noqa: S101 - registered for this class alone
    problem: Problem = InvalidRequest(
        *(FieldError(_pointer(e["loc"]), _detail(e)) for e in exc.errors()[:MAX_FIELD_ERRORS]),
    )
    return render(problem, request_id=request.state.request_id)


async def handle_unexpected(request: Request, exc: Exception) -> Response:
    log_event("internal-error", exception=exc)
    return render(InternalError(), request_id=request.state.request_id)


def _pointer(location: Sequence[str | int]) -> str:
    """`("body", "email")` → `/email`; `("query", "limit")` → `/query/limit`."""
    parts = location[1:] if location and location[0] == "body" else location
    return json_pointer(parts)


def _detail(error: Mapping[str, Any]) -> str:
    """Pydantic's message, but where it quotes the input. It puts a prefix before our own."""
    if error["type"] == "uuid_parsing":
        return "Input should be a valid UUID"
    return str(error["msg"]).removeprefix("Value error, ")[:MAX_DETAIL_CHARACTERS]


def _unnamed(status: int) -> type[Problem]:
    """A problem for a status that the framework raised and we have no name for."""
    phrase = phrase_of(status)

    class Unnamed(Problem):
        slug: ClassVar[str] = phrase.lower().replace(" ", "-")
        title: ClassVar[str] = phrase
        detail: ClassVar[str] = f"{phrase}."

    Unnamed.status = status
    return Unnamed
