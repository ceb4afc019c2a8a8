"""Routes for the busiest paths: documented as all others are, answered on the shortest way.

FastAPI leads every request through eight layers, asks route after route whether a path is its,
and walks a tree of dependencies; that costs more than what `POST /auth/verify` does
(docs/performance.md). Direct routes are looked up by method and path before all that, and their
trees were made into calls when the application started. Only a failure goes the usual way.
"""

from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any, Final

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

_FAILURE: Final = "latchkey.failure"

Resolve = Callable[[Request], Awaitable[Any]]

# What FastAPI would take out of a request, or see to, beside calling a dependency.
_NOT_DIRECT: Final = (
    "path_params",
    "query_params",
    "header_params",
    "cookie_params",
    "body_params",
    "websocket_param_name",
    "http_connection_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
    "concurrency",
)


class DirectRoute(APIRoute):
    """A route whose endpoint returns its response model, of parts that take the request alone.

    The endpoint and its dependencies are coroutine functions that take the request, and what other
    dependencies return. An application whose direct route needs more does not start: nothing that
    FastAPI would have done can be left out unnoticed.
    Raises: TypeError.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        super().__init__(path, endpoint, **options)
        if self.param_convertors:
            raise TypeError(f"{path}: a direct route has no parameters in its path")
        self._methods = frozenset(self.methods or ())
        self._resolve = _compiled(self.dependant)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["path"] != scope.get("root_path", "") + self.path:
            return Match.NONE, {}
        match = Match.FULL if scope["method"] in self._methods else Match.PARTIAL
        return match, {"endpoint": self.endpoint, "path_params": {}, "route": self}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _FAILURE in scope:
            raise scope[_FAILURE]
        if scope["method"] not in self._methods:
            await super().handle(scope, receive, send)
            return
        await _send(await self.answer(Request(scope, receive, send)), send)

    async def answer(self, request: Request) -> bytes:
        """The body of the answer, as JSON."""
        answer: BaseModel = await self._resolve(request)
        return answer.__pydantic_serializer__.to_json(answer)


class DirectRoutes:
    """In front of the framework: serves its direct routes, and leaves everything else to it.

    A failure is taken to the framework as well, which raises it again where it would have come up:
    how failures are answered, logged and traced has one home.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._routes: dict[tuple[str | None, str | None], DirectRoute] = {
            (method, route.path): route
            for route in routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = (scope.get("method"), scope.get("path"))
        route = None if scope.get("root_path") else self._routes.get(asked)
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        try:
            body = await route.answer(Request(scope, receive, send))
        except Exception as error:  # noqa: BLE001 - the framework's to judge
            scope[_FAILURE] = error
            await self._app(scope, receive, send)
        else:
            await _send(body, send)


async def _send(body: bytes, send: Send) -> None:
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def direct_router(*, prefix: str, tags: list[str | Enum]) -> APIRouter:
    """A router whose `routes` the application takes in before all others."""
    return APIRouter(
        prefix=prefix,
        tags=tags,
        route_class=DirectRoute,
        generate_unique_id_function=lambda route: route.name,
    )


def _compiled(dependant: Dependant) -> Resolve:
    """The call that the dependency stands for. Raises: TypeError."""
    call: Any = dependant.call
    extra = [name for name in _NOT_DIRECT if getattr(dependant, name)]
    if extra:
        raise TypeError(f"{call}: a direct route gives no {', '.join(extra)}")
    if not (iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)):
        raise TypeError(f"{call}: a direct route calls coroutine functions alone")
    request_name = dependant.request_param_name
    parts = [(str(part.name), _compiled(part)) for part in dependant.dependencies]

    async def resolve(request: Request) -> Any:  # noqa: ANN401 - what the call returns
        given: dict[str, Any] = {request_name: request} if request_name else {}
        for name, part in parts:
            given[name] = await part(request)
        return await call(**given)

    return resolve
