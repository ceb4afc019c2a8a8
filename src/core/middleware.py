"""What every request passes, as pure ASGI: one wrapper outside of CORS, one inside."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from src.core.addresses import TrustedProxies, scheme_of
from src.core.bodies import WHOLE_BODY
from src.core.errors import (
    BadRequest,
    CrossOriginRefused,
    HeaderTooLarge,
    NotFound,
    PayloadTooLarge,
    Problem,
    RequestTimeout,
)
from src.core.logging import log_event, logging_request
from src.core.metrics import NOBODY, Metrics, telling
from src.core.problem_json import render

MAX_BODY_BYTES: Final = 256 * 1024
MAX_LENGTH_DIGITS: Final = len(str(MAX_BODY_BYTES))
MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 32 * 1024
BODY_SECONDS: Final = 9.0  # a client that sends slower than this holds a connection for nothing

PERSONAL_PATHS: Final = ("/auth", "/chat", "/anatomy", "/admin", "/v2", "/support")

Header = tuple[bytes, bytes]

# Given twice, a proxy and we could each take another one (RFC 9110 §5.3, RFC 9112 §3.2, §6.3).
_ONLY_ONCE: Final = frozenset({b"host", b"content-length", b"content-type"})
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_ENCODED_SLASH: Final = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)

_SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
# Of every answer that brings no policy of its own: what is no page loads nothing, runs nothing and
# is framed nowhere, should a browser be made to display it.
_NO_PAGE: Final = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
)
_NO_STORE: Final = (b"cache-control", b"no-store")
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class BehindProxies:
    """Before all else: the client and the scheme are what trusted proxies say, or the socket's."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self.app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        if scope["type"] == "http" and peer and self._proxies.include(peer[0]):
            headers = Headers(scope=scope)
            client = self._proxies.client_of(peer[0], headers.getlist("x-forwarded-for"))
            scheme = scheme_of(headers.getlist("x-forwarded-proto")) or scope["scheme"]
            scope = {**scope, "client": (client, 0), "scheme": scheme}
        await self.app(scope, receive, send)


class RequestContext:
    """Around all else: gives requests their ids, responses their headers, outcomes a log line.

    What an endpoint puts into `state.response_headers` is sent with every answer, problems too.
    HEAD is answered as GET; the server leaves the body out (RFC 9110 §9.3.2).
    An exception that reaches this far was answered inside with a 500 and logged; here it ends.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics = NOBODY) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = str(uuid7())
        client = scope.get("client")
        ip = client[0] if client else None
        with logging_request(request_id=request_id, ip=ip), telling(self._metrics):
            await self._answer(scope, receive, send, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        method = scope["method"]
        decided: dict[str, str] = {}
        scope.setdefault("state", {}).update(request_id=request_id, response_headers=decided)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message["headers"], scope, request_id, decided)
            await send(message)

        if method == "HEAD":
            scope = {**scope, "method": "GET"}
        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if not status:  # nobody answered: the failure is outside of the framework's handler
                log_event("internal-error", exception=error)
                raise
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", None)
            _log_request(route, method, status, seconds)
            self._metrics.answered(method, route, status, seconds)


class Cors(CORSMiddleware):
    """CORS whose refusals are problems like all others."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _has(scope["headers"], b"origin"):
            # All that it has to say to who is no page: with an Origin the answer would differ.
            scope["state"]["response_headers"]["Vary"] = "Origin"
            await self.app(scope, receive, send)
            return
        try:
            await super().__call__(scope, receive, send)
        except CrossOriginRefused as problem:
            await _refuse(problem, scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code != HTTPStatus.OK:
            raise CrossOriginRefused
        return response


class RequestLimits:
    """Inside of CORS: refuses headers and bodies over their limits, bodies while still arriving.

    A body is taken in whole before anything is done, so that every route refuses in the same way,
    those that read none included, and a client that leaves half-way is nobody's error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            _require_plain_slashes(scope)
            if _announces_body(scope):
                body = await _whole_body(receive)
                if body is None:
                    return
                scope[WHOLE_BODY] = body
                receive = _replayed(body, receive)
        except Problem as problem:
            await _refuse(problem, scope, receive, send)
            return
        await self.app(scope, receive, send)


def _announces_body(scope: Scope) -> bool:
    """Whether headers, which must be sound, say that a body comes.

    Raises: `HeaderTooLarge`, `PayloadTooLarge` by the announced length, `BadRequest`.
    """
    headers: list[Header] = scope["headers"]
    size = 0
    single: dict[bytes, bytes] = {}
    repeated = chunked = False
    for name, value in headers:
        size += len(name) + len(value)
        if name in _ONLY_ONCE:
            repeated = repeated or name in single
            single[name] = value
        elif name == b"transfer-encoding":
            chunked = True
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise HeaderTooLarge
    if repeated:
        raise BadRequest
    host = single.get(b"host")
    if host is None and scope["http_version"] == "1.1":
        raise BadRequest
    if host is not None and not _HOST.fullmatch(host):
        raise BadRequest
    length = single.get(b"content-length", b"0")
    if not length.isdigit():
        raise BadRequest
    if len(length.lstrip(b"0")) > MAX_LENGTH_DIGITS or int(length) > MAX_BODY_BYTES:
        raise PayloadTooLarge
    return chunked or int(length) > 0


def _require_plain_slashes(scope: Scope) -> None:
    """Raises: `NotFound` for an encoded slash, which servers decode and proxies do not."""
    path = scope.get("raw_path") or b""
    if b"%" in path and _ENCODED_SLASH.search(path):
        raise NotFound


async def _whole_body(receive: Receive) -> bytes | None:
    """The request's body, None when the client left.

    Raises: `PayloadTooLarge`, `RequestTimeout`.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise PayloadTooLarge
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        raise RequestTimeout from error


def _replayed(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer and hang up: what remains of the request is not read."""
    response = render(problem, request_id=scope["state"]["request_id"])
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _completed(
    given: Sequence[Header],
    scope: Scope,
    request_id: str,
    decided: Mapping[str, str],
) -> list[Header]:
    """An answer's own headers, those of every answer, and those that the endpoint decided."""
    headers = [*given, *_SECURITY_HEADERS, (b"x-request-id", request_id.encode())]
    if not _has(given, _NO_PAGE[0]):
        headers.append(_NO_PAGE)
    if scope["path"].startswith(PERSONAL_PATHS):
        headers.append(_NO_STORE)
    if scope["scheme"] == "https":
        headers.append(_HSTS)
    for name, value in decided.items():
        headers.append((name.lower().encode(), value.encode()))
    return headers


def _has(headers: Sequence[Header], wanted: bytes) -> bool:
    for name, _ in headers:  # noqa: SIM110 - a generator costs more than the loop
        if name == wanted:
            return True
    return False


def _log_request(route: str | None, method: str, status: int, seconds: float) -> None:
    """One line a request. The path's template, never its query: tokens turn up there."""
    log_event(
        "request",
        method=method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 1),
    )
