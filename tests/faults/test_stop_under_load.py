"""SIGTERM while people are served: who has a connection gets every answer, and the end is soon.

A client may be sure of a connection once something was answered on it. What it sends then is
answered, until an answer says `Connection: close`. Of a connection that nobody had taken yet when
the server ended, or that was idle then, it knows nothing: it asks again, elsewhere.
"""

import json
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.factories import PASSWORD, bearer, new_email
from tests.faults.figures import expect_within, note, spread
from tests.first_run.processes import RunningServer, copy_project, running_server, wait_until
from tests.servers import RedisServer

pytestmark = [pytest.mark.faults]

STOPS = 50
CLIENTS = 6
BUSY_SECONDS = 0.2
PROMISED_SECONDS = 10.0
PATIENCE_SECONDS = 30.0
FAST = {
    "BCRYPT_ROUNDS": "4",
    "RATE_LIMITS": "off",
    "LOG_LEVEL": "WARNING",
    "PYTHONDONTWRITEBYTECODE": "",  # it is started again and again: from what was compiled once
}
WORKERS = {"one process": (), "two workers": ("--workers", "2")}


@dataclass
class Client:
    """Somebody who signs people up and looks at their profiles until the port is closed."""

    port: int
    signed_up: list[str] = field(default_factory=list)  # access tokens
    answers: int = 0
    dropped: int = 0
    never_taken: int = 0

    def keep_asking(self) -> None:
        while True:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
            try:
                connection.connect()
            except OSError:
                return
            self._ask_on(connection)
            connection.close()

    def _ask_on(self, connection: HTTPConnection) -> None:
        answers = 0
        response = None
        while response is None or not response.will_close:
            try:
                response = self._ask(connection, answers)
            except (OSError, HTTPException):
                self.dropped += bool(answers)
                self.never_taken += not answers
                return
            answers += 1
            self.answers += 1

    def _ask(self, connection: HTTPConnection, turn: int) -> HTTPResponse:
        if turn % 2 and self.signed_up:
            connection.request("GET", "/auth/me", headers=bearer(self.signed_up[-1]))
        else:
            body = json.dumps({"email": new_email(), "password": PASSWORD})
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/auth/signup", body, headers)
        response = connection.getresponse()
        document = json.loads(response.read())
        assert response.status in (200, 201), document
        if response.status == 201:
            self.signed_up.append(document["access_token"])
        return response


@contextmanager
def busy(server: RunningServer) -> Iterator[list[Client]]:
    """Clients keep asking; after the block, all have found the port closed."""
    clients = [Client(port_of(server)) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        asking = [threads.submit(client.keep_asking) for client in clients]
        wait_until(lambda: all(c.answers for c in clients), PATIENCE_SECONDS, what="answers")
        time.sleep(BUSY_SECONDS)
        yield clients
    for each in asking:
        each.result()  # what went wrong in a thread is told here


def port_of(server: RunningServer) -> int:
    return urlsplit(server.base).port or 0


@pytest.mark.parametrize("kind", WORKERS)
def test_a_stop_under_load_drops_no_request(
    tmp_path: Path, redis_server: RedisServer, kind: str
) -> None:
    project = copy_project(tmp_path / "project")
    settings = {**FAST, "REDIS_URL": redis_server.url}
    seconds, clients = [], []
    for _ in range(STOPS // len(WORKERS)):
        with running_server(project, *WORKERS[kind], **settings) as server, busy(server) as asking:
            seconds.append(server.seconds_to_end())
        clients += asking
    signed_up = [token for client in clients for token in client.signed_up]
    note(
        f"SIGTERM under load, {kind}, {len(seconds)} times",
        "0 requests dropped; everybody who was signed up is there; out within 10 s",
        f"{sum(c.answers for c in clients)} answers, {sum(c.dropped for c in clients)} dropped, "
        f"{sum(c.never_taken for c in clients)} connections taken by nobody; out after "
        f"{spread(seconds)}",
    )
    assert sum(client.dropped for client in clients) == 0
    assert statistics.median(seconds) <= PROMISED_SECONDS
    with (
        running_server(project, **settings) as server,
        httpx.Client(base_url=server.base, timeout=PATIENCE_SECONDS) as client,
    ):
        for token in signed_up:
            assert client.get("/auth/me", headers=bearer(token)).status_code == 200


def test_stuck_clients_do_not_hold_up_the_end_of_busy_workers(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    expect_within(PROMISED_SECONDS, lambda: seconds_to_end_with_stuck_clients(project))


def seconds_to_end_with_stuck_clients(project: Path) -> float:
    with running_server(project, *WORKERS["two workers"], **FAST) as server:
        address = ("127.0.0.1", port_of(server))
        with socket.create_connection(address) as half, socket.create_connection(address) as deaf:
            half.sendall(b"POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{")
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
            with busy(server) as clients:
                seconds = server.seconds_to_end()
    note(
        "SIGTERM under load, with clients that send half a body and read nothing",
        "0 other requests dropped; out within 10 s",
        f"{sum(c.answers for c in clients)} answers, {sum(c.dropped for c in clients)} dropped; "
        f"out after {seconds:.1f} s",
    )
    assert sum(client.dropped for client in clients) == 0
    return seconds
