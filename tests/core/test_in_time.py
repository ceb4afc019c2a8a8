"""How soon hostile requests are done with. What is measured is printed."""

import select
import socket
import time
from contextlib import ExitStack, suppress

import httpx
import pytest

from tests.core.conftest import Server, whole_answer
from tests.core.hostile_bodies import ROUTES, malformed, misplaced
from tests.core.test_http import HOST, JSON, parsed
from tests.factories import sign_up
from tests.faults.figures import expect_within
from tests.processes.workers import milliseconds, report

pytestmark = [pytest.mark.faults, pytest.mark.one_database]

TRIES = 3  # the best of them counts: what else the machine does is no part of it
SOON_SECONDS = 0.05
REFUSED_SECONDS = 0.1
CUT_SECONDS = 10.0
BIG = 50 * 1024 * 1024
PIECE = b"x" * 65_536
SLOW = {
    "silent": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ",
    "half a body": b"POST /auth/login HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 99\r\n\r\n{",
}


async def test_a_hostile_body_is_refused_within_50_ms_of_cpu(client: httpx.AsyncClient) -> None:
    ada, taken = await sign_up(client), {}
    for route in (ROUTES[0], ROUTES[6]):
        for name, body in {**malformed(route), **misplaced(route)}.items():
            tries = []
            for _ in range(TRIES):
                started = time.process_time()
                answer = await client.request(
                    route.method,
                    route.path,
                    content=body,
                    headers={**ada.authorization, "Content-Type": "application/json"},
                )
                tries.append(time.process_time() - started)
                assert answer.status_code in (400, 422), name
            taken[f"{route} {name}"] = min(tries)
    slowest = max(taken, key=lambda name: taken[name])
    report(f"{len(taken)} hostile bodies, CPU", all=milliseconds(taken.values()), slowest=slowest)
    assert taken[slowest] < SOON_SECONDS


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_50_mb_are_refused_within_100_ms(server: Server, *, chunked: bool) -> None:
    tries = [seconds_to_413(server, chunked=chunked) for _ in range(2 * TRIES)]
    report("50 MB", refused_after=milliseconds(tries))
    assert min(tries) < REFUSED_SECONDS


def seconds_to_413(server: Server, *, chunked: bool) -> float:
    """From the first byte that is sent to the answer, which nobody waits with sending for."""
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % BIG
    framed = b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    with socket.create_connection(("127.0.0.1", server.port), timeout=CUT_SECONDS) as connection:
        started = time.perf_counter()
        connection.sendall(b"POST /auth/signup HTTP/1.1\r\n" + HOST + JSON + length + b"\r\n\r\n")
        with suppress(OSError):
            while not select.select([connection], [], [], 0)[0]:
                connection.sendall(framed)
        answer = whole_answer(connection)
        seconds = time.perf_counter() - started
    assert parsed(answer).problem == "payload-too-large"
    return seconds


def test_who_is_slow_or_silent_is_cut_off_within_10_seconds(server: Server) -> None:
    expect_within(CUT_SECONDS, lambda: seconds_to_the_last_cut(server))


def seconds_to_the_last_cut(server: Server) -> float:
    took = {}
    with ExitStack() as stack:
        started = time.perf_counter()
        waiting = {}
        for name, begun in SLOW.items():
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=CUT_SECONDS)
            stack.enter_context(connection).sendall(begun)
            waiting[connection] = name
        while waiting:
            readable, _, _ = select.select([*waiting], [], [], 2 * CUT_SECONDS)
            assert readable, f"still there: {[*waiting.values()]}"
            for connection in readable:
                if not connection.recv(65_536):
                    took[waiting.pop(connection)] = time.perf_counter() - started
    report("Cut off", **{name.replace(" ", "_"): f"{took[name]:.2f} s" for name in SLOW})
    return max(took.values())
