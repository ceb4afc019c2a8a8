"""A server process of its own, for what only a real server and its output can show."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import migrate
from tests.processes.workers import Worker, server_environment, worker_processes
from tests.servers import RedisServer, running_redis

OPTIONS = ("--no-server-header", "--http", "src.first_run.bounded_http:BoundedHttp")


@dataclass(frozen=True)
class Server:
    """A running Latchkey on SQLite, with everything that it leaves behind."""

    worker: Worker
    database: Path
    redis: RedisServer

    @property
    def url(self) -> str:
        return self.worker.base

    @property
    def port(self) -> int:
        return self.worker.port

    def exchange(self, request: bytes, *, seconds: float = 20.0) -> bytes:
        """All that comes back for these bytes until the server closes or is silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            with suppress(OSError):  # it may hang up half-way; what it said is still there
                connection.sendall(request)
            return whole_answer(connection, to=request)


def whole_answer(connection: socket.socket, *, to: bytes = b"") -> bytes:
    """Head and body, which may arrive one after the other; less if there comes no more."""
    answer = b""
    with suppress(TimeoutError, ConnectionResetError):
        while not is_complete(answer, to=to) and (received := connection.recv(65_536)):
            answer += received
    return answer


def is_complete(answer: bytes, *, to: bytes) -> bool:
    """Whether the announced length of a response has arrived; HEAD gets none of it."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
    arrived = to.startswith(b"HEAD ") or (length is not None and len(body) >= int(length[1]))
    return bool(separator) and arrived


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    database = tmp_path_factory.mktemp("server") / "server.db"
    database_url = f"sqlite+aiosqlite:///{database}"
    migrate(database_url, "head")
    with running_redis() as redis:
        environment = server_environment(
            database_url=database_url,
            redis_url=redis.url,
            LOG_LEVEL="INFO",
            CORS_ORIGINS="https://app.example",
        )
        with worker_processes(1, environment, options=OPTIONS) as (worker,):
            yield Server(worker, database, redis)
