"""One redis-server process of our own: its configuration, its start and its end."""

import os
import string
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from src.first_run import dies_with_parent
from src.first_run.failures import RedisUnavailable
from src.first_run.private_files import private_folder

MAX_SOCKET_PATH_BYTES: Final = 100  # the kernel's limit is 108 on Linux and 104 on macOS
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.01
LOG_LINES_SHOWN: Final = 5
PLAIN_BYTES: Final = frozenset(f"{string.ascii_letters}{string.digits}/._-".encode())


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """Where an embedded Redis keeps its data and is spoken to."""

    folder: Path
    socket: Path

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    @property
    def log(self) -> Path:
        return self.folder / "redis.log"


def choose_place(local: Path) -> RedisPlace:
    """Data under `local`/redis; the socket beside it, or in /tmp if its path would be too long."""
    local = private_folder(local.absolute())
    folder = private_folder(local / "redis")
    socket = local / "redis.sock"
    if len(os.fsencode(socket)) > MAX_SOCKET_PATH_BYTES:
        socket = Path(tempfile.mkdtemp(prefix="latchkey-")) / "redis.sock"
    return RedisPlace(folder=folder, socket=socket)


def start(binary: str, place: RedisPlace, *, unless: threading.Event) -> subprocess.Popen[bytes]:
    """A redis-server that answers.

    Call it from the thread that will also wait for its end: on Linux the child ends with it.

    Raises: `RedisUnavailable` with the end of Redis's own log, or because of `unless`.
    """
    child = subprocess.Popen(  # noqa: S603 - our own script and a binary that we chose
        [sys.executable, "-I", dies_with_parent.__file__, str(os.getpid()), binary, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C must reach the server first, which still needs Redis
    )
    assert child.stdin is not None  # noqa: S101 - a pipe was asked for
    with child.stdin as configuration:
        configuration.write(_configuration(place).encode())
    try:
        _wait_until_it_answers(child, place, unless)
    except BaseException:
        stop(child)
        raise
    return child


def stop(child: subprocess.Popen[bytes]) -> None:
    """End it in order (the last second of writes reaches the disk), or else by force."""
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def leave(place: RedisPlace) -> None:
    """Take away what only a running Redis needs. Its data stays."""
    place.socket.unlink(missing_ok=True)
    if place.socket.parent != place.folder.parent:
        place.socket.parent.rmdir()


def answers(socket: Path) -> bool:
    """Whether a Redis listens there and is done loading its data."""
    with _client(socket) as redis:
        try:
            return bool(redis.ping())
        except RedisError:
            return False


def shut_down_orphan(socket: Path) -> None:
    """End a Redis that outlived its `run`: two must never append to the same file.

    Raises: `RedisUnavailable` when it does not end.
    """
    with _client(socket) as redis:
        try:
            redis.shutdown()
        except RedisError:
            return  # nobody there any more
    deadline = time.monotonic() + STOP_SECONDS
    while answers(socket):
        if time.monotonic() > deadline:
            raise RedisUnavailable(
                f"An earlier embedded Redis still runs at {socket}. End that process first."
            )
        time.sleep(POLL_SECONDS)


def _client(socket: Path) -> Redis:
    """A client that asks once: by default it would try for seconds where nobody listens."""
    return Redis(
        unix_socket_path=str(socket),
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), retries=0),
    )


def _wait_until_it_answers(
    child: subprocess.Popen[bytes], place: RedisPlace, unless: threading.Event
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (place.socket.exists() and answers(place.socket)):
        if child.poll() is not None:
            raise RedisUnavailable(
                f"The embedded Redis does not start. {place.log} ends with:\n{_end_of(place.log)}"
            )
        if time.monotonic() > deadline:
            raise RedisUnavailable(
                f"The embedded Redis does not answer within {START_SECONDS:.0f} s; see {place.log}"
            )
        if unless.wait(POLL_SECONDS):
            raise RedisUnavailable("The embedded Redis was told to end before it had started.")


def _configuration(place: RedisPlace) -> str:
    """redis.conf for data that must survive: an append-only file and no eviction."""
    directives = {
        "port": "0",
        "unixsocket": str(place.socket),
        "unixsocketperm": "600",
        "dir": str(place.folder),
        "logfile": str(place.log),
        "loglevel": "notice",
        "daemonize": "no",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }
    return "".join(f"{name} {_quoted(value)}\n" for name, value in directives.items())


def _quoted(value: str) -> str:
    escaped = "".join(
        chr(byte) if byte in PLAIN_BYTES else f"\\x{byte:02x}" for byte in os.fsencode(value)
    )
    return f'"{escaped}"'


def _end_of(log: Path) -> str:
    if not log.exists():
        return "(nothing)"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_LINES_SHOWN:])
