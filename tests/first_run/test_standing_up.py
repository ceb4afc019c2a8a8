"""`run` under clients that hold on, and with workers that die or freeze."""

import errno
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from src.first_run import listening
from src.first_run.bounded_http import BoundedHttp
from src.first_run.serving import _allow_open_files
from tests.faults.figures import expect_within, note
from tests.first_run.processes import RunningServer, is_alive, running_server, wait_until
from tests.processes.workers import milliseconds

pytestmark = [pytest.mark.faults, pytest.mark.one_database]

FAST = {"BCRYPT_ROUNDS": "4", "RATE_LIMITS": "off"}
SILENT_CLIENTS = 1_000
MEASURED_REQUESTS = 1_000
OPEN_FILES = 2 * SILENT_CLIENTS
PROMISED_SECONDS = 10.0
ASKED_WITHIN = 1.0  # by then the supervisor is asking a worker whether it lives


@pytest.fixture
def server(project: Path) -> Iterator[RunningServer]:
    with running_server(project, **FAST) as started:
        yield started


@contextmanager
def two_workers_of(project: Path) -> Iterator[RunningServer]:
    with running_server(project, "--workers", "2", **FAST) as started:
        wait_until(lambda: len(started.workers) == 2, 60, what="both workers")
        yield started


@pytest.fixture
def two_workers(project: Path) -> Iterator[RunningServer]:
    with two_workers_of(project) as started:
        yield started


def connected(server: RunningServer) -> socket.socket:
    port = urlsplit(server.base).port
    return socket.create_connection(("127.0.0.1", port or 0), timeout=30)


def resident_bytes(process_id: int) -> int:
    pages = Path(f"/proc/{process_id}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "half",
    [
        b"POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
        b"GET /auth/me HTTP/1.1\r\nHost: a\r\nX-Half: ",
        b"",
    ],
    ids=["half a body", "half a head", "nothing"],
)
def test_a_stuck_client_does_not_hold_up_the_end(project: Path, half: bytes) -> None:
    def seconds_to_end() -> float:
        with running_server(project, **FAST) as server, connected(server) as stuck:
            stuck.sendall(half)
            assert httpx.get(server.base + "/healthz", timeout=30).status_code == 200
            seconds = server.seconds_to_end()
        assert "Traceback" not in server.printed
        return seconds

    expect_within(PROMISED_SECONDS, seconds_to_end)


def test_a_frozen_worker_does_not_hold_up_the_end(project: Path) -> None:
    def seconds_to_end() -> float:
        with two_workers_of(project) as server:
            frozen = server.workers[0]
            os.kill(frozen, signal.SIGSTOP)
            time.sleep(ASKED_WITHIN)
            seconds = server.seconds_to_end()
        assert not is_alive(frozen)
        return seconds

    expect_within(PROMISED_SECONDS, seconds_to_end)


def test_workers_that_are_killed_are_replaced(two_workers: RunningServer) -> None:
    killed = two_workers.workers
    started = time.perf_counter()
    for each in killed:
        os.kill(each, signal.SIGKILL)
    # Nobody is turned away meanwhile: the supervisor keeps the port, and the request waits.
    assert httpx.get(two_workers.base + "/healthz", timeout=30).status_code == 200
    seconds = time.perf_counter() - started
    note("all workers killed at once", "nobody is turned away", f"answered after {seconds:.2f} s")
    wait_until(lambda: len(two_workers.workers) == 2, 30, what="both workers")
    assert not set(killed) & set(two_workers.workers)


def test_1000_silent_clients_leave_everybody_else_served(server: RunningServer) -> None:
    _allow_open_files(OPEN_FILES)  # our own ends of the connections
    seconds = []
    with ExitStack() as stack, httpx.Client(base_url=server.base, timeout=30) as client:
        for _ in range(SILENT_CLIENTS):
            stack.enter_context(connected(server)).sendall(b"GET /auth/me HTTP/1.1\r\nX: ")
        for _ in range(MEASURED_REQUESTS):
            started = time.perf_counter()
            assert client.get("/healthz").status_code == 200
            seconds.append(time.perf_counter() - started)
    note(f"{SILENT_CLIENTS:,} silent clients", "all others are served", milliseconds(seconds))


def test_endless_headers_cost_no_memory(server: RunningServer) -> None:
    before = resident_bytes(server.process.pid)
    for _ in range(20):
        with connected(server) as greedy:
            sent = 0
            with suppress(OSError):
                while sent < 20 * 1024 * 1024:
                    sent += greedy.send(b"x" * BoundedHttp.most_unparsed_bytes)
    grown = (resident_bytes(server.process.pid) - before) / 1024 / 1024
    note("20 × 20 MB of headers", "no memory", f"{grown:+.1f} MB")
    assert grown < 20


def test_a_connection_whose_client_takes_nothing_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(listening, "UNTAKEN_MILLISECONDS", 500)
    with listening.take_address("127.0.0.1", 0, local=tmp_path) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            accepted.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    accepted.send(bytes(65_536))
            accepted.settimeout(30)
            with pytest.raises(TimeoutError) as given_up:
                accepted.recv(1)
    assert given_up.value.errno == errno.ETIMEDOUT  # the system's word; our own would have none
