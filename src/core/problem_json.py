"""Problems as `application/problem+json` (RFC 9457): the one place that renders a failure."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from src.core.errors import (
    FieldError,
    HeaderTooLarge,
    InternalError,
    InvalidRequest,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    UnsupportedMediaType,
)
from src.core.logging import log_event

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 20
MAX_POINTER_LENGTH = 100

_BY_STATUS: dict[int, type[Problem]] = {
    400: MalformedBody,
    404: NotFound,
    405: MethodNotAllowed,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
    422: InvalidRequest,
    431: HeaderTooLarge,
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


def documents(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for the problems of one endpoint, with an example each.

    Not `model=`: that would add a false `application/json`.
    """
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        response = responses.setdefault(
            problem.status,
            {
                "description": HTTPStatus(problem.status).phrase,
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "examples": {},
                    },
                },
            },
        )
        response["content"][MEDIA_TYPE]["examples"][problem.slug] = {
            "value": _document(problem(), request_id="01981c2e-7a4b-7c3e-9d5f-0123456789ab"),
        }
    return responses


def render(problem: Problem, *, request_id: str) -> Response:
    """The response for a problem."""
    return Response(
        json.dumps(_document(problem, request_id=request_id)).encode(),
        status_code=problem.status,
        headers=problem.all_headers,
        media_type=MEDIA_TYPE,
    )


def _document(problem: Problem, *, request_id: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": f"urn:problem:{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request_id,
        "success": False,
        "error": problem.detail,
    }
    if problem.errors:
        document["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in problem.errors]
    return document


async def handle_problem(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Problem)  # noqa: S101 - registered for this class alone
    log_event(
        "problem",
        problem=exc.slug,
        status=exc.status,
        cause=exc.cause,
        request_id=request.state.request_id,
    )
    return render(exc, request_id=request.state.request_id)


async def handle_http_exception(request: Request, exc: Exception) -> Response:
    """The framework's own failures: unknown path, wrong method, a body that does not parse."""
    assert isinstance(exc, HTTPException)  # noqa: S101 - registered for this class alone
    problem_class = _BY_STATUS.get(exc.status_code) or _unnamed(exc.status_code)
    problem = problem_class(headers=exc.headers)
    return render(problem, request_id=request.state.request_id)


async def handle_validation_error(request: Request, exc: Exception) -> Response:
    """422 that says which members are wrong and never repeats what was sent."""
    assert isinstance(exc, RequestValidationError)  # noqa: S101 - registered for this class alone
    problem: Problem = InvalidRequest(
        *(
            FieldError(_pointer(e["loc"]), _without_input(e["msg"]))
            for e in exc.errors()[:MAX_FIELD_ERRORS]
        ),
    )
    return render(problem, request_id=request.state.request_id)


async def handle_unexpected(request: Request, exc: Exception) -> Response:
    log_event("internal-error", exception=exc, request_id=request.state.request_id)
    return render(InternalError(), request_id=request.state.request_id)


def _pointer(location: Sequence[str | int]) -> str:
    """`("body", "email")` → `/email`; `("query", "limit")` → `/query/limit`."""
    parts = location[1:] if location and location[0] == "body" else location
    text = "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in parts)
    printable = text.encode("ascii", "backslashreplace").decode()
    return printable[:MAX_POINTER_LENGTH]


def _without_input(message: str) -> str:
    """Pydantic's message; our own validators raise ValueError, which it prefixes."""
    return message.removeprefix("Value error, ")


def _unnamed(status: int) -> type[Problem]:
    """A problem for a status that the framework raised and we have no name for."""
    phrase = HTTPStatus(status).phrase

    class Unnamed(Problem):
        slug: ClassVar[str] = phrase.lower().replace(" ", "-")
        title: ClassVar[str] = phrase
        detail: ClassVar[str] = f"{phrase}."

    Unnamed.status = status
    return Unnamed
