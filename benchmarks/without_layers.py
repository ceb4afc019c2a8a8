"""Latchkey without what wraps every request: no request id, log line, limits, CORS, headers."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from src.main import app


class NothingDecided:
    """The state that endpoints and error handlers count on."""

    def __init__(self, inner: ASGIApp) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {}).update(request_id="-", response_headers={})
        await self.inner(scope, receive, send)


app.middleware_stack = NothingDecided(FastAPI.build_middleware_stack(app))
