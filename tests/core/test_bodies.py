"""Bodies that no honest client sends: refused early, shortly, and without repeating them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import src.core.middleware as core_middleware
from src.core.bodies import MAX_DEPTH, parse_json
from src.core.errors import InvalidRequest, MalformedBody
from src.core.middleware import MAX_BODY_BYTES
from tests.core.hostile_bodies import CANARY, ROUTES, Route, malformed, misplaced
from tests.factories import Person, problem, sign_up

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient

# A thousand times what it takes, of the processor: only an answer that grows with the square of its
# input takes longer.
SOON_SECONDS = 2.0


BODYLESS = [
    ("GET", "/auth/me"), ("POST", "/auth/verify"), ("GET", "/anatomy/"), ("GET", "/healthz"),
    ("GET", "/readyz"), ("GET", "/"), ("GET", "/openapi.json"), ("GET", "/nowhere"),
    ("DELETE", "/auth/me"), ("GET", "/chat/history/x"),
]  # fmt: skip
each_route = pytest.mark.parametrize("route", ROUTES, ids=str)


@pytest.fixture
async def ada(client: Client) -> Person:
    return await sign_up(client)


async def sent(
    client: Client,
    route: Route,
    ada: Person,
    body: bytes,
    content_type: str | None = "application/json",
) -> httpx.Response:
    """The answer to a body, after the promises that hold for all of them are checked."""
    headers = dict(ada.authorization)
    if content_type is not None:
        headers["Content-Type"] = content_type
    started = time.process_time()
    response = await client.request(route.method, route.path, content=body, headers=headers)
    assert time.process_time() - started < SOON_SECONDS
    assert len(response.content) < 4096
    assert CANARY not in response.text
    return response


@each_route
async def test_what_is_not_one_json_document_is_malformed(
    client: Client,
    ada: Person,
    route: Route,
) -> None:
    for name, body in malformed(route).items():
        response = await sent(client, route, ada, body)
        assert (response.status_code, problem(response)) == (400, "malformed-body"), name


@each_route
async def test_what_cannot_be_meant_or_stored_is_422_and_not_repeated(
    client: Client,
    ada: Person,
    route: Route,
) -> None:
    for name, body in misplaced(route).items():
        response = await sent(client, route, ada, body)
        assert (response.status_code, problem(response)) == (422, "invalid-request"), name


@each_route
async def test_an_empty_body_is_an_invalid_request(
    client: Client,
    ada: Person,
    route: Route,
) -> None:
    response = await sent(client, route, ada, b"")
    if route.path == "/auth/logout":  # its body is optional
        assert response.status_code == 204
    else:
        assert problem(response) == "invalid-request"


@each_route
@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "text/json", "application/xml", "multipart/form-data; boundary=x",
     "application/json; charset=utf-16", "application/json; charset=latin-1",
     "application/json, text/plain", "application/jsonp", "application/problem+json",
     "application/json; a=b", "text/plain; application/json", "application/json\x00", "*/*"],
)  # fmt: skip
async def test_any_other_content_type_is_unsupported(
    client: Client,
    ada: Person,
    route: Route,
    content_type: str | None,
) -> None:
    response = await sent(client, route, ada, json.dumps(route.body).encode(), content_type)
    assert (response.status_code, problem(response)) == (415, "unsupported-media-type")


@each_route
async def test_a_form_is_for_log_in_alone(client: Client, ada: Person, route: Route) -> None:
    form = b"username=new%40example.com&password=x"
    response = await sent(client, route, ada, form, "application/x-www-form-urlencoded")
    expected = "invalid-credentials" if route.path == "/auth/login" else "unsupported-media-type"
    assert problem(response) == expected


@each_route
@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json;charset=utf-8",
     'application/json ; charset="UTF-8"'],
)  # fmt: skip
async def test_json_in_utf8_is_read_however_it_is_announced(
    client: Client,
    ada: Person,
    route: Route,
    content_type: str,
) -> None:
    response = await client.request(
        route.method,
        route.path,
        content=b"\r\n\t " + json.dumps(route.body).encode() + b" \n",
        headers={**ada.authorization, "Content-Type": content_type},
    )
    assert response.status_code not in (400, 415, 422)


async def in_chunks(size: int, chunk: int = 16_384) -> AsyncIterator[bytes]:
    for start in range(0, size, chunk):
        yield b"x" * min(chunk, size - start)


@pytest.mark.parametrize(
    ("method", "path"),
    [*((route.method, route.path) for route in ROUTES), *BODYLESS],
    ids=str,
)
async def test_more_than_256_kib_is_too_large_on_every_route(
    client: Client,
    ada: Person,
    method: str,
    path: str,
) -> None:
    headers = {**ada.authorization, "Content-Type": "application/json"}
    for content in (b"x" * (MAX_BODY_BYTES + 1), in_chunks(MAX_BODY_BYTES + 1)):
        response = await client.request(method, path, content=content, headers=headers)
        assert (response.status_code, problem(response)) == (413, "payload-too-large")
        assert response.headers["connection"] == "close"


async def test_exactly_256_kib_is_read(client: Client) -> None:
    for content in (b" " * MAX_BODY_BYTES, in_chunks(MAX_BODY_BYTES)):
        response = await client.post(
            "/auth/login", content=content, headers={"Content-Type": "application/json"}
        )
        assert problem(response) == "malformed-body"


async def test_a_body_is_refused_while_it_is_still_arriving(client: Client) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 16_384
            yield b"x" * 16_384

    response = await client.post("/auth/signup", content=endless())
    assert problem(response) == "payload-too-large"
    assert taken <= MAX_BODY_BYTES + 16_384


async def test_a_body_that_does_not_come_is_not_waited_for(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core_middleware, "BODY_SECONDS", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    response = await client.post("/auth/signup", content=stalled())
    assert (response.status_code, problem(response)) == (408, "request-timeout")


async def test_a_client_that_leaves_half_way_is_nobodys_error(
    app: FastAPI,
    client: Client,  # noqa: ARG001 - starts the application
    capfd: pytest.CaptureFixture[str],
) -> None:
    messages = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    answered = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        answered.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/auth/signup",
        "scheme": "http", "query_string": b"", "raw_path": b"/auth/signup", "root_path": "",
        "headers": [(b"host", b"testserver"), (b"transfer-encoding", b"chunked")],
    }  # fmt: skip
    await app(scope, receive, send)
    assert answered == []
    assert "internal-error" not in capfd.readouterr().out


async def test_a_wrong_member_is_named_by_its_pointer(client: Client, ada: Person) -> None:
    response = await client.post(
        "/anatomy/records",
        json={"part": "femur", "kind": CANARY, "a/b~c": 1, "note": 5},
        headers=ada.authorization,
    )
    named = {error["pointer"] for error in response.json()["errors"]}
    assert named == {"/kind", "/note", "/a~1b~0c"}
    assert CANARY not in response.text


async def test_an_id_that_is_none_is_refused_without_repeating_any_of_it(
    client: Client,
    ada: Person,
) -> None:
    response = await client.post(
        "/chat/message",
        json={"message": "hello", "session_id": "018f4e3c-zzzz"},
        headers=ada.authorization,
    )
    assert problem(response) == "invalid-request"
    assert "z" not in response.json()["errors"][0]["detail"]


@pytest.mark.parametrize("depth", [0, 1, MAX_DEPTH])
def test_the_greatest_depth_is_readable(depth: int) -> None:
    body = b"[" * depth + b'"' + b"[{" * 100 + b'"' + b"]" * depth
    assert parse_json(body) is not None


@pytest.mark.parametrize("text", ['"[[[', '"\\"[[[', '"\\\\', "]]]]"])
def test_brackets_count_outside_of_strings_only(text: str) -> None:
    document = json.dumps([text * 50] * 3)
    assert parse_json(document.encode()) == [text * 50] * 3
    with pytest.raises(MalformedBody):
        parse_json(b"[" * MAX_DEPTH + document.encode() + b"]" * MAX_DEPTH)


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"
    with pytest.raises(InvalidRequest):
        parse_json(b'"\\ud83d"')
