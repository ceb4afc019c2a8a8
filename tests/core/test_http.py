"""HTTP as it comes off the wire, spoken by hand to a real server."""

import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from src.app import create_app
from src.core.settings import Settings
from tests.conftest import make_settings, running
from tests.core.conftest import Server, whole_answer
from tests.factories import Person, problem, sign_up
from tests.waiting import NO_TLS

pytestmark = pytest.mark.one_database

HOST = b"Host: 127.0.0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
# Much less than 50 MB: what fits into the buffers of both ends of a connection.
BUFFERS = 20 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert document["request_id"] == self.headers["x-request-id"]
        return str(document["type"]).removeprefix("urn:problem:")


def parsed(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    return Answer(int(first.split()[1]), {k.lower(): v for k, v in pairs}, body)


def ask(server: Server, line: str, headers: bytes = b"", body: bytes = b"") -> Answer:
    request = f"{line} HTTP/1.1\r\n".encode("latin-1") + HOST + headers + b"\r\n" + body
    return parsed(server.exchange(request))


def with_length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n" % len(body)


@pytest.fixture
async def http(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=server.url, trust_env=False, verify=NO_TLS, timeout=30
    ) as client:
        yield client


@pytest.fixture
async def ada(http: httpx.AsyncClient) -> Person:
    return await sign_up(http)


@pytest.mark.parametrize(
    ("line", "headers", "body", "status", "name"),
    [
        ("GET /nowhere", b"", b"", 404, "not-found"),
        ("GET /../../etc/passwd", b"", b"", 404, "not-found"),
        ("GET /%00", b"", b"", 404, "not-found"),
        ("GET /%ff%fe%ed%a0%80", b"", b"", 404, "not-found"),
        ("GET /auth/signup", b"", b"", 405, "method-not-allowed"),
        ("TRACE /", b"", b"", 405, "method-not-allowed"),
        ("PUT /auth/me", b"", b"", 405, "method-not-allowed"),
        ("POST /auth/signup", JSON, b"{", 400, "malformed-body"),
        ("POST /auth/signup", JSON, b"{}", 422, "invalid-request"),
        ("POST /auth/signup", b"Content-Type: text/plain\r\n", b"{}", 415,
         "unsupported-media-type"),
        ("POST /auth/login", b"X-Token-Mode: both\r\n" + JSON, b'{"email":"a","password":"b"}',
         400, "invalid-token-mode"),
        ("GET /auth/me", b"", b"", 401, "authentication-required"),
        ("GET /healthz", b"A: " + b"x" * 40_000 + b"\r\n", b"", 431, "header-too-large"),
        ("GET /healthz", b"A: b\r\n" * 101, b"", 431, "header-too-large"),
        ("GET /healthz", HOST, b"", 400, "bad-request"),
        ("GET /healthz", JSON + JSON, b"", 400, "bad-request"),
    ],
)  # fmt: skip
def test_every_failure_is_a_problem_with_a_request_id(
    server: Server, line: str, headers: bytes, body: bytes, status: int, name: str
) -> None:  # fmt: skip
    answer = ask(server, line, headers + with_length(body), body)
    assert (answer.status, answer.problem) == (status, name)


@pytest.mark.parametrize(
    "headers",
    [b"A: " + b"x" * 70_000 + b"\r\n", b"A: b\r\n" * 1_000, b"A" * 70_000 + b": b\r\n",
     b"Cookie: " + b"a=b; " * 20_000 + b"\r\n", b"A: b\r\n" * 20_000],
    ids=["70 KB value", "1,000 headers", "70 KB name", "100 KB of cookies", "20,000 headers"],
)  # fmt: skip
def test_too_many_or_too_large_headers_are_refused(server: Server, headers: bytes) -> None:
    answer = ask(server, "GET /healthz", headers)
    assert (answer.status, answer.problem) == (431, "header-too-large")


def post(*headers: str, body: str = "") -> bytes:
    return "\r\n".join(["POST /auth/login HTTP/1.1", "Host: a", *headers, "", body]).encode()


def get(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


CHUNKED = "Transfer-Encoding: chunked"
END = "0\r\n\r\n"
AMBIGUOUS = [
    get("GET /healthz HTTP/1.1"),
    get("GET /healthz HTTP/1.1", "Host: a", "Host: b"),
    get("GET /healthz HTTP/1.1", "Host: a", "Host: a"),
    get("GET /healthz HTTP/1.1", "Host:"),
    get("GET /healthz HTTP/1.1", "Host: evil.example/path"),
    get("GET /healthz HTTP/1.1", "Host: user@evil.example"),
    get("GET /healthz HTTP/1.1", "Host: a b"),
    get("GET /healthz HTTP/1.1", "Host: a:b"),
    get("GET /healthz HTTP/1.1", "Host: a, b"),
    get("GET /healthz HTTP/1.1", "Host: <script>"),
    get("GET /healthz HTTP/1.1", "Host : a"),
    get("GET /healthz HTTP/1.1", "Host: a", " folded: b"),
    get("GET /healthz HTTP/1.1", "Host: a", "X: \x00"),
    get("GET /healthz HTTP/9.9", "Host: a"),
    get("GET /health\xffz HTTP/1.1", "Host: a"),
    get("get /healthz HTTP/1.1", "Host: a"),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    post("Content-Length: -1"),
    post("Content-Length: 1e9"),
    post("Content-Length: +2", body="{}"),
    post("Content-Length: 2", "Content-Length: 3", body="{}}"),
    post("Content-Length: 2", "Content-Length: 2", body="{}"),
    post("Content-Length: 2, 3", body="{}}"),
    post("Content-Length: 3", CHUNKED, body=END),
    post(CHUNKED, "Content-Length: 3", body=END),
    post("Transfer-Encoding: xchunked", body=END),
    post("Transfer-Encoding: chunked, identity", body=END),
    post(CHUNKED, body="zz\r\n{}\r\n"),
    post("Content-Type: application/json", "Content-Type: text/plain", "Content-Length: 2",
         body="{}"),
]  # fmt: skip


@pytest.mark.parametrize("request_", AMBIGUOUS)
def test_what_two_parsers_could_read_differently_gets_400_or_nothing(
    server: Server,
    request_: bytes,
) -> None:
    raw = server.exchange(request_, seconds=1.0)
    assert not raw or parsed(raw).status == 400
    assert b"Traceback" not in raw
    assert raw.count(b"HTTP/1.1") <= 1


def test_http_1_0_needs_no_host(server: Server) -> None:
    assert parsed(server.exchange(b"GET /healthz HTTP/1.0\r\n\r\n")).status == 200


@pytest.mark.parametrize("path", ["/auth/signup", "/auth/login", "/chat/message", "/nowhere", "/"])
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_50_mb_are_refused_while_they_arrive(server: Server, path: str, chunked: bool) -> None:  # noqa: FBT001
    size, piece = 50 * 1024 * 1024, b"x" * 65_536
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    head = b"POST %s HTTP/1.1\r\n%s%s%s\r\n\r\n" % (path.encode(), HOST, JSON, length)
    framed = b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        with suppress(OSError):
            connection.sendall(head)
            while sent < size:
                connection.sendall(framed)
                sent += len(piece)
        raw = whole_answer(connection)
    assert sent < BUFFERS
    assert parsed(raw).problem == "payload-too-large"


@pytest.mark.parametrize(
    "line",
    ["GET /", "GET /healthz", "GET /readyz", "GET /docs", "GET /openapi.json", "GET /nowhere",
     "GET /auth/me", "PUT /auth/me", "HEAD /healthz", "OPTIONS /auth/me"],
)  # fmt: skip
def test_every_response_has_the_headers_of_all_and_tells_no_version(
    server: Server,
    line: str,
) -> None:
    answer = ask(server, line)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
    assert "strict-transport-security" not in answer.headers  # HSTS is for TLS alone
    assert not {"server", "x-powered-by", "location", "via"} & set(answer.headers)
    if "/auth/" in line:
        assert answer.headers["cache-control"] == "no-store"


def test_the_request_id_is_ours_and_new_each_time(server: Server) -> None:
    theirs = b"X-Request-ID: 01981c2e-7a4b-7c3e-9d5f-0123456789ab\r\n"
    ids = [ask(server, "GET /healthz", theirs).headers["x-request-id"] for _ in range(5)]
    assert len(set(ids)) == 5
    assert "01981c2e-7a4b-7c3e-9d5f-0123456789ab" not in ids


@pytest.mark.parametrize(
    ("line", "allow"),
    [
        ("DELETE /auth/me", "HEAD, GET, PATCH"),
        ("OPTIONS /auth/me", "HEAD, GET, PATCH"),
        ("GET /auth/signup", "POST"),
        ("HEAD /auth/signup", "POST"),
        ("POST /chat/history/1", "HEAD, GET"),
        ("DELETE /", "HEAD, GET"),
    ],
)
def test_405_names_every_method_of_the_address(server: Server, line: str, allow: str) -> None:
    answer = ask(server, line)
    assert (answer.status, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/docs", "/auth/me", "/nowhere", "/openapi.json"]
)
async def test_head_is_get_without_the_body(http: httpx.AsyncClient, path: str) -> None:
    get, head = await http.get(path), await http.head(path)
    assert head.status_code == get.status_code
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.content == b""


@pytest.mark.parametrize(
    "path",
    ["//auth/me", "/auth//me", "/auth/me/", "/auth/me//", "/./auth/me", "/auth/../auth/me",
     "/auth%2Fme", "/auth/%6de%2f", "/AUTH/me", "/auth/me;a=b", "/auth/me%20", "/auth/me%00",
     "/auth\\me", "/auth/me.json", "/anatomy", "/anatomy//", "//evil.example/auth/me",
     "/%2e%2e/auth/me", "/auth/me%0d%0aLocation:%20evil", "http://evil.example/auth/me/",
     "/chat/history/..%2f..%2fauth%2fme", "/docs/", "/docs/..%2f..%2fapp.py",
     "/docs/%2e%2e/app.py"],
)  # fmt: skip
def test_respelled_paths_open_nothing_and_lead_nowhere(server: Server, path: str) -> None:
    answer = ask(server, f"GET {path}")
    assert answer.status in (400, 401, 404, 422)
    assert "location" not in answer.headers


async def test_a_good_token_does_not_open_a_respelled_path(
    http: httpx.AsyncClient,
    server: Server,
    ada: Person,
) -> None:
    authorization = f"Authorization: Bearer {ada.access_token}\r\n".encode()
    assert ask(server, "GET /auth/me", authorization).status == 200
    assert (await http.get("/auth/me", headers=ada.authorization)).status_code == 200
    for path in (
        "//auth/me",
        "/auth/me/",
        "/auth//me",
        "/auth%2Fme",
        "/auth%5cme",
        "/AUTH/me",
        "/anatomy",
    ):
        assert ask(server, f"GET {path}", authorization).status == 404


@pytest.mark.parametrize(
    "session_id",
    ["1" + "0" * 20, "-1", "%00", "0", "null", "undefined", "%ff", "' OR 1=1--", "{}",
     "00000000-0000-0000-0000-00000000000g", "%F0%9F%98%80", "a" * 8_000, "1e999", "..", "*"],
)  # fmt: skip
async def test_ids_that_are_none_are_404_or_422(
    http: httpx.AsyncClient,
    ada: Person,
    session_id: str,
) -> None:
    response = await http.get(f"/chat/history/{session_id}", headers=ada.authorization)
    assert response.status_code in (404, 422)
    assert problem(response)
    assert len(response.content) < 4096


@pytest.mark.parametrize(
    "query",
    ["limit=1000000000", "limit=0", "limit=-1", "limit=101", "limit=1e2", "limit=" + "9" * 5_000,
     "limit=NaN", "limit=", "limit=%00", "limit=1.5", "cursor=%00", "cursor=x",
     "cursor=" + "A" * 21,
     "cursor=" + "é" * 22, "cursor=%ff%fe", "cursor=" + "A" * 8_000],
)  # fmt: skip
async def test_query_parameters_out_of_range_are_422(
    http: httpx.AsyncClient,
    ada: Person,
    query: str,
) -> None:
    said = await http.post("/chat/message", json={"message": "hello"}, headers=ada.authorization)
    path = f"/chat/history/{said.json()['session_id']}?{query}"
    response = await http.get(path, headers=ada.authorization)
    assert problem(response) == "invalid-request"
    assert len(response.content) < 4096


async def test_an_unhandled_exception_tells_nothing_and_has_cors_headers(
    redis_server: Any,
    tmp_path: Any,
) -> None:
    settings: Settings = make_settings(
        DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/x.db",
        REDIS_URL=redis_server.url,
        CORS_ORIGINS="https://app.example",
    )
    app = create_app(settings)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("SELECT secret FROM /srv/latchkey")

    async with running(app) as client:
        response = await client.get("/broken", headers={"Origin": "https://app.example"})
    assert (response.status_code, problem(response)) == (500, "internal-error")
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert response.headers["x-content-type-options"] == "nosniff"
    for told in ("SELECT", "srv", "Runtime", "Traceback", "broken", ".py"):
        assert told not in response.text


def test_pipelined_requests_are_answered_in_turn_and_not_mixed_up(server: Server) -> None:
    one = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    two = b"GET /nowhere HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(one + two)
        while received := connection.recv(65_536):
            answer += received
    first, second = answer.index(b"HTTP/1.1 200"), answer.index(b"HTTP/1.1 404")
    assert first < second


def test_an_upgrade_to_another_protocol_opens_nothing(server: Server) -> None:
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    assert ask(server, "GET /auth/me", upgrade).status in (400, 401, 403, 404)
    h2c = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    assert ask(server, "GET /auth/me", h2c).status == 401
