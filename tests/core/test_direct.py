"""Direct routes: what they cannot give is refused when the application is made."""

from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Path, Request, Response
from pydantic import BaseModel

from src.core.direct import direct_router


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
