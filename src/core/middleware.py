"""What every request passes, as pure ASGI: one wrapper outside of CORS, one inside."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from src.core.errors import HeaderTooLarge, PayloadTooLarge, Problem
from src.core.logging import log_event
from src.core.problem_json import render

MAX_BODY_BYTES: Final = 256 * 1024
MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 32 * 1024

PERSONAL_PATHS: Final = ("/auth", "/chat", "/anatomy", "/admin", "/v2", "/support")

_SECURITY_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_NO_STORE: Final = (b"cache-control", b"no-store")
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class RequestContext:
    """Outermost: gives each request its id, each response its headers, each outcome its log line.

    An exception that reaches this far was answered inside with a 500 and logged; here it ends.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = str(uuid7())
        scope.setdefault("state", {})["request_id"] = request_id
        extra = _headers_for(scope, request_id)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if not status:  # nobody answered: the failure is outside of the framework's handler
                log_event("internal-error", exception=error, request_id=request_id)
                raise
        finally:
            _log_request(scope, request_id, status, time.perf_counter() - started)


class RequestLimits:
    """Inside of CORS: refuses headers and bodies over their limits, bodies while still arriving."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = scope["headers"]
        problem = _header_problem(headers)
        if problem is not None:
            await _refuse(problem, scope, receive, send)
            return
        if not any(name in (b"content-length", b"transfer-encoding") for name, _ in headers):
            await self.app(scope, receive, send)
            return
        await self.app(scope, _limited(receive), send)


def _header_problem(headers: list[tuple[bytes, bytes]]) -> Problem | None:
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"content-length" and (not value.isdigit() or int(value[:12]) > MAX_BODY_BYTES):
            return PayloadTooLarge()
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        return HeaderTooLarge()
    return None


def _limited(receive: Receive) -> Receive:
    received = 0

    async def limited_receive() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise PayloadTooLarge
        return message

    return limited_receive


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    await render(problem, request_id=scope["state"]["request_id"])(scope, receive, send)


def _headers_for(scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
    headers = [*_SECURITY_HEADERS, (b"x-request-id", request_id.encode())]
    if scope["path"].startswith(PERSONAL_PATHS):
        headers.append(_NO_STORE)
    if scope["scheme"] == "https":
        headers.append(_HSTS)
    return headers


def _log_request(scope: Scope, request_id: str, status: int, seconds: float) -> None:
    """One line a request. The path's template, never its query: tokens turn up there."""
    route = scope.get("route")
    client = scope.get("client")
    log_event(
        "request",
        request_id=request_id,
        method=scope["method"],
        route=getattr(route, "path", None),
        status=status,
        ms=round(seconds * 1000, 1),
        ip=client[0] if client else None,
    )
