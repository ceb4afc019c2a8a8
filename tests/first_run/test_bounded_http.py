"""Clients that are slow, silent or greedy, over real sockets."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config, Server

from src.first_run.bounded_http import BoundedHttp
from tests.first_run.processes import wait_until

pytestmark = pytest.mark.one_database

PATIENCE = 20.0  # how long a test waits for what it expects to happen
LONG = 3 * 1024 * 1024
LONG_ASKED = Event()
REST = b" HTTP/1.1\r\nHost: a\r\n\r\n"


class Patient(BoundedHttp):
    """Whatever it cuts off, it does for other reasons than time."""

    head_seconds = body_seconds = answer_seconds = 60.0
    most_connections = 8


class Hasty(BoundedHttp):
    """Tests that do their part in time may be held up as long."""

    head_seconds = body_seconds = answer_seconds = 1.0


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """`/echo` says what it was sent, `/early` reads nothing, `/stream` takes its time."""
    if scope["path"] == "/long":
        LONG_ASKED.set()
    body = b"" if scope["path"] == "/early" else await whole_body(receive)
    seen = {"path": scope["path"], "body": len(body), "headers": len(scope["headers"])}
    parts = {
        "/stream": [b"data: %d\n\n" % number for number in range(8)],
        "/long": [bytes(LONG)],
    }.get(scope["path"], [json.dumps(seen).encode()])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
        if scope["path"] == "/stream":
            await asyncio.sleep(Hasty.head_seconds / 4)
    await send({"type": "http.response.body"})


async def whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


@contextmanager
def serving(http: type[BoundedHttp]) -> Iterator[Server]:
    """A server of this protocol in a thread; `server.config.port` is where."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = Server(
            Config(
                application,
                port=listener.getsockname()[1],
                http=http,
                log_config=None,
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: server.started, PATIENCE, what="the server")
            yield server
        finally:
            server.force_exit = server.should_exit = True
            thread.join(PATIENCE)


@pytest.fixture(scope="module")
def patient() -> Iterator[Server]:
    with serving(Patient) as started:
        yield started


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    with serving(Hasty) as started:
        yield started


@pytest.fixture
def connection(patient: Server) -> Iterator[socket.socket]:
    with connected(patient) as opened:
        yield opened


@pytest.fixture
def hasty_connection(hasty: Server) -> Iterator[socket.socket]:
    with connected(hasty) as opened:
        yield opened


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.config.port), timeout=PATIENCE)


def all_of(connection: socket.socket) -> bytes:
    """What comes until the server hangs up. Raises: TimeoutError when it does not."""
    answer = b""
    try:
        while received := connection.recv(65_536):
            answer += received
    except ConnectionResetError:
        pass
    return answer


def one_answer(connection: socket.socket) -> dict[str, Any]:
    """The document of a response to `/echo`; the connection stays open."""
    answer = b""
    while not answer.endswith(b"\r\n0\r\n\r\n"):
        received = connection.recv(65_536)
        assert received, answer
        answer += received
    document: dict[str, Any] = json.loads(answer.split(b"\r\n")[-4])
    return document


def cut_off_while_sending(connections: list[tuple[socket.socket, bytes]]) -> None:
    """Send to each its drop again and again, until the server hung up on all of them."""
    remaining = dict(connections)

    def none_is_left() -> bool:
        for connection, drop in [*remaining.items()]:
            connection.settimeout(Hasty.head_seconds / 20)
            try:
                connection.sendall(drop)
                if not connection.recv(65_536):
                    del remaining[connection]
            except TimeoutError:
                continue
            except OSError:
                del remaining[connection]
        return not remaining

    wait_until(none_is_left, PATIENCE, what="the server to hang up")


POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def test_who_sends_no_whole_head_is_cut_off(hasty: Server) -> None:
    starts = (b"", b"\r\n", b"GET /ec", b"GET /echo HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(hasty)) for _ in starts]
        for connection, start in zip(connections, starts, strict=True):
            connection.sendall(start)
        assert [all_of(connection) for connection in connections] == [b""] * len(starts)


def test_bytes_now_and_then_do_not_keep_a_connection(hasty: Server) -> None:
    trickles = [
        (b"", b"\r\n"),
        (b"GET /echo HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"x"),
        (POST + b"Content-Length: 9999\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
    ]
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(hasty)) for _ in trickles]
        for connection, (start, _) in zip(connections, trickles, strict=True):
            connection.sendall(start)
        cut_off_while_sending(
            [(each, drop) for each, (_, drop) in zip(connections, trickles, strict=True)]
        )


def test_a_connection_that_served_before_has_no_more_time(hasty: Server) -> None:
    with connected(hasty) as next_head, connected(hasty) as unread_body:
        next_head.sendall(b"GET /echo" + REST)
        assert one_answer(next_head)["path"] == "/echo"
        next_head.sendall(b"GET /echo HTTP/1.1\r\nX-Slow: ")
        unread_body.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n")
        assert one_answer(unread_body)["path"] == "/early"
        cut_off_while_sending([(next_head, b"x"), (unread_body, b"x")])


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET /echo HTTP/1.1\r\nX: ",
        CHUNKED + b"1;",
        CHUNKED + b"1\r\nx\r\n0\r\nX: ",
    ],
    ids=["an address", "a header", "an extension", "a trailer"],
)
def test_an_endless_line_is_refused_before_it_fills_the_memory(
    connection: socket.socket, start: bytes
) -> None:
    sent = 0
    connection.sendall(start)
    try:
        while sent < 200 * 1024 * 1024:
            sent += connection.send(b"x" * 4096)
    except OSError:
        pass
    # What the server took, and what fits into the buffers of both ends.
    assert sent < 20 * 1024 * 1024


def test_what_is_refused_is_told_as_a_problem(connection: socket.socket) -> None:
    connection.sendall(b"GET /echo HTTP/1.1\r\nX: " + b"x" * BoundedHttp.most_unparsed_bytes)
    head, _, body = all_of(connection).partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert problem["type"] == "urn:problem:header-too-large"
    assert f"x-request-id: {problem['request_id']}".encode() in head
    for line in (
        b"connection: close",
        b"x-content-type-options: nosniff",
        b"referrer-policy: no-referrer",
    ):
        assert line in head.splitlines()


def test_what_is_no_http_is_told_as_a_problem(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    head, _, body = all_of(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["type"] == "urn:problem:bad-request"


def test_a_refusal_is_never_taken_for_the_answer_to_another_request(
    connection: socket.socket,
) -> None:
    connection.sendall(b"GET /stream" + REST + b"\x00 nonsense")
    assert b"HTTP/1.1 400" not in all_of(connection)


def test_trailers_do_not_become_headers(connection: socket.socket) -> None:
    connection.sendall(CHUNKED + b"2\r\n{}\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\nHost: b\r\n\r\n")
    assert one_answer(connection) == {"path": "/echo", "body": 2, "headers": 2}


def test_an_answer_that_is_not_read_is_given_up(hasty: Server) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", hasty.config.port))
        connection.sendall(b"GET /long" + REST)
        wait_until(LONG_ASKED.is_set, PATIENCE, what="the request")
        wait_until(lambda: not hasty.server_state.tasks, PATIENCE, what="the server to give up")


def test_connections_beyond_the_limit_get_503(patient: Server) -> None:
    wait_until(lambda: not patient.server_state.connections, PATIENCE, what="the earlier ones")
    held = [connected(patient) for _ in range(Patient.most_connections)]
    with connected(patient) as one_more:
        answer = all_of(one_more)
    for each in held:
        each.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in answer
    wait_until(lambda: not patient.server_state.connections, PATIENCE, what="room")
    with connected(patient) as later:
        later.sendall(b"GET /echo" + REST)
        assert one_answer(later)["path"] == "/echo"


def test_a_stream_lives_longer_than_any_of_these_limits(hasty_connection: socket.socket) -> None:
    hasty_connection.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert all_of(hasty_connection).endswith(b"data: 7\n\n\r\n0\r\n\r\n")


def test_requests_sent_ahead_wait_their_turn(hasty_connection: socket.socket) -> None:
    upload = POST + b"Connection: close\r\nContent-Length: 2\r\n\r\n"
    hasty_connection.sendall(b"GET /stream" + REST + b"GET /echo" + REST + upload)
    wait_for = b'{"path": "/echo", "body": 0'
    answer = b""
    while wait_for not in answer:  # it took longer than the time for a body
        received = hasty_connection.recv(65_536)
        assert received, answer
        answer += received
    hasty_connection.sendall(b"{}")
    assert all_of(hasty_connection).count(b'{"path": "/echo", "body": 2') == 1


def test_a_connection_serves_many_requests_and_an_upload(connection: socket.socket) -> None:
    for _ in range(20):
        connection.sendall(b"GET /echo" + REST)
        assert one_answer(connection)["headers"] == 1
    size = 4 * BoundedHttp.most_unparsed_bytes
    connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % size)
    connection.sendall(bytes(size))
    assert one_answer(connection)["body"] == size
