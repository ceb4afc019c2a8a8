"""A server process of its own, for what only a real server and its output can show."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from src.core.settings import Settings
from tests.conftest import REPOSITORY, make_settings, migrate
from tests.servers import RedisServer, free_port, running_redis
from tests.waiting import wait_until_it_answers

END_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A running Latchkey on SQLite, with everything that it leaves behind."""

    port: int
    output: Path
    database: Path
    redis: RedisServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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
    folder = tmp_path_factory.mktemp("server")
    database = folder / "server.db"
    migrate(f"sqlite+aiosqlite:///{database}", "head")
    with running_redis() as redis, (folder / "output").open("wb") as output:
        started = Server(free_port(), folder / "output", database, redis)
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "src.main:app", "--port", str(started.port),
             "--no-server-header", "--http", "src.first_run.bounded_http:BoundedHttp"],
            cwd=REPOSITORY,
            env=_environment(database, redis),
            stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_until_it_answers(started.url, process, printed=started.output.read_text)
            yield started
        finally:
            process.terminate()
            process.wait(END_SECONDS)


def _environment(database: Path, redis: RedisServer) -> dict[str, str]:
    settings = make_settings()
    inherited = {k: v for k, v in os.environ.items() if k not in Settings.model_fields}
    return {
        **inherited,
        "JWT_SECRET_KEY": settings.JWT_SECRET_KEY.get_secret_value(),
        "JWT_REFRESH_SECRET_KEY": settings.JWT_REFRESH_SECRET_KEY.get_secret_value(),
        "DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "REDIS_URL": redis.url,
        "BCRYPT_ROUNDS": "4",
        "RATE_LIMITS": "off",
        "CORS_ORIGINS": "https://app.example",
    }
