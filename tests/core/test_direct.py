"""Direct routes: what they cannot give is refused when the application is made."""

from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Path, Request, Response
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from src.app import create_app
from src.core.direct import DirectRoutes, direct_router
from src.core.settings import Settings
from tests.conftest import running
from tests.factories import sign_up


class Answer(BaseModel):
    said: str


async def said(request: Request) -> str:
    return request.headers["x-said"]


async def answer(text: Annotated[str, Depends(said)]) -> Answer:
    return Answer(said=text)


async def by_query(text: str) -> Answer:
    return Answer(said=text)


async def by_header(text: Annotated[str, Header()]) -> Answer:
    return Answer(said=text)


async def by_body(body: Answer) -> Answer:
    return body


async def with_response(response: Response) -> Answer:
    return Answer(said=str(response))


async def within(text: Annotated[str, Depends(by_query)]) -> Answer:
    return Answer(said=text)


def in_a_thread() -> Answer:
    return Answer(said="")


@pytest.mark.parametrize(
    "endpoint", [by_query, by_header, by_body, with_response, within, in_a_thread]
)
def test_an_endpoint_that_needs_more_than_the_request_is_refused(endpoint: object) -> None:
    router = direct_router(prefix="", tags=["test"])
    with pytest.raises(TypeError, match="a direct route"):
        router.add_api_route("/direct", endpoint, methods=["POST"])  # type: ignore[arg-type]


def test_a_path_with_parameters_is_refused() -> None:
    async def endpoint(name: Annotated[str, Path()]) -> Answer:
        return Answer(said=name)

    router = direct_router(prefix="", tags=["test"])
    with pytest.raises(TypeError, match="a direct route"):
        router.add_api_route("/direct/{name}", endpoint, methods=["POST"])


async def test_it_answers_with_its_model_by_its_method_alone_and_is_documented() -> None:
    router = direct_router(prefix="/here", tags=["test"])
    router.add_api_route("/direct", answer, methods=["POST"])
    app = FastAPI(routes=[*router.routes], redirect_slashes=False)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.post("/here/direct", headers={"X-Said": "hello"})
        assert response.json() == {"said": "hello"}
        assert response.headers["content-type"] == "application/json"
        refused = await client.get("/here/direct")
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert (await client.post("/here/direct/")).status_code == 404
    assert app.openapi()["paths"]["/here/direct"]["post"]["operationId"] == "answer"


def broken_app() -> tuple[FastAPI, list[str]]:
    """A direct route that answers who says something, and what handlers were asked for."""
    asked: list[str] = []

    async def refuse(_: Request, error: Exception) -> Response:
        asked.append(type(error).__name__)
        return Response(status_code=418)

    router = direct_router(prefix="", tags=["test"])
    router.add_api_route("/direct", answer, methods=["POST"])
    app = FastAPI(routes=[*router.routes], exception_handlers={KeyError: refuse})
    return app, asked


async def test_what_goes_wrong_is_answered_by_the_framework_and_once() -> None:
    app, asked = broken_app()
    in_front = DirectRoutes(app, app.routes)
    transport = httpx.ASGITransport(in_front)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.post("/direct", headers={"X-Said": "hello"})).status_code == 200
        assert (await client.post("/direct")).status_code == 418
        assert asked == ["KeyError"]
        assert (await client.get("/direct")).status_code == 405
        assert (await client.post("/elsewhere")).status_code == 404


async def test_direct_routes_do_not_ask_the_framework_unless_it_is_mounted_below_a_path() -> None:
    app, _ = broken_app()
    led_here = []

    async def framework(scope: Scope, receive: Receive, send: Send) -> None:
        led_here.append(scope["path"])
        await app(scope, receive, send)

    in_front = DirectRoutes(framework, app.routes)
    for root_path, path in (("", "/direct"), ("/below", "/below/direct")):
        transport = httpx.ASGITransport(in_front, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.post(path, headers={"X-Said": "hello"})
            assert response.json() == {"said": "hello"}
    assert led_here == ["/below/direct"]


async def test_middleware_that_somebody_adds_is_around_direct_routes_as_well(
    settings: Settings,
) -> None:
    class Closed:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            closed = Response(status_code=451) if scope["path"] == "/auth/me" else self.app
            await closed(scope, receive, send)

    app = create_app(settings)
    app.add_middleware(Closed)
    async with running(app) as client:
        ada = await sign_up(client)
        assert (await client.get("/auth/me", headers=ada.authorization)).status_code == 451
