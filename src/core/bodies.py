"""Request bodies, read strictly: what two parsers could read differently is refused."""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from src.core.errors import (
    FieldError,
    InvalidRequest,
    MalformedBody,
    UnsupportedMediaType,
    json_pointer,
)

T = TypeVar("T")

WHOLE_BODY: Final = "latchkey.body"  # in a request's scope, where a layer has taken it in
MAX_DEPTH: Final = 32
FORM_TYPE: Final = "application/x-www-form-urlencoded"
MOST_FORM_FIELDS: Final = 20

_JSON_TYPE = re.compile(r"application/json(?:\s*;\s*charset=\"?utf-8\"?)?\s*", re.IGNORECASE)
# A string, closed or not, or a bracket. It never goes back over what it has passed: an unfinished
# string full of quotes would otherwise take time by the square of its length.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class StrictRoute(APIRoute):
    """A route whose JSON body must be one well-formed document of the right type."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def strict_handler(request: Request) -> Response:
            if await request.body():
                # FastAPI calls request.json() later, which returns this when it is set.
                request._json = await json_body(request)  # noqa: SLF001
            return await handler(request)

        return strict_handler


async def json_body(request: Request) -> Any:  # noqa: ANN401 - any JSON value
    """The body's JSON document, None for an empty body.

    Raises: `UnsupportedMediaType`, `MalformedBody`, `InvalidRequest`.
    """
    # FastAPI's way to it leads through a generator of parts, and takes longer than parsing it.
    body = request.scope.get(WHOLE_BODY) or await request.body()
    if not body:
        return None
    require_json(request)
    return parse_json(body)


def validated(kind: TypeAdapter[T], value: object, *, at: str | tuple[str, ...]) -> T:
    """The value as that kind, for routes that FastAPI does not read the request for.

    Raises: RequestValidationError, which names `at` as its place.
    """
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        place = (at,) if isinstance(at, str) else at
        raise RequestValidationError(
            [{**e, "loc": (*place, *e["loc"])} for e in error.errors(include_input=False)],
        ) from error


def require_json(request: Request) -> None:
    """Raises: `UnsupportedMediaType` unless the body is declared as JSON in UTF-8."""
    if not _JSON_TYPE.fullmatch(request.headers.get("content-type", "")):
        raise UnsupportedMediaType


def media_type_of(request: Request) -> str:
    """What the body is declared to be, in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of an `application/x-www-form-urlencoded` body, none of them twice.

    Raises: `MalformedBody`. Source: RFC 6749 §3.2 and appendix B.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MOST_FORM_FIELDS,
        )
    except ValueError as error:
        raise MalformedBody(cause="form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedBody(cause="form with a repeated field")
    return fields


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """One JSON document (RFC 8259) in UTF-8, without duplicate names, NaN or deep nesting.

    Raises: `MalformedBody`; `InvalidRequest` for NUL and lone surrogates inside strings.
    """
    try:
        text = body.decode("utf-8")
        _check_depth(text)
        document = _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(cause=type(error).__name__) from error
    # Only an escape can have brought either in: raw control characters are no JSON.
    if "\\u" in text:
        _refuse_unstorable(document, ())
    return document


def _check_depth(text: str) -> None:
    """Before parsing, because the parser recurses."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        depth += _STEPS.get(found[0], 0)
        if not 0 <= depth <= MAX_DEPTH:
            raise ValueError("nested too deep, or closed too often")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


def _refuse_unstorable(value: object, place: tuple[str | int, ...]) -> None:
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise InvalidRequest(
                FieldError(json_pointer(place), "NUL and lone surrogates are not accepted"),
            )
    elif isinstance(value, dict):
        for name, member in value.items():
            _refuse_unstorable(name, place)
            _refuse_unstorable(member, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_unstorable(item, (*place, index))


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique_members,
    parse_constant=_refuse_constant,
    parse_float=_finite,
)
