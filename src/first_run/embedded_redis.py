"""The embedded Redis of development: one to a folder, started again when it dies, ended with us."""

import fcntl
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from src.core.logging import log_event
from src.first_run import redis_child
from src.first_run.failures import AlreadyRunning, RedisUnavailable
from src.first_run.private_files import OWNER_ONLY_FILE, private_folder
from src.first_run.redis_binary import find_redis_server
from src.first_run.redis_child import RedisPlace

FIRST_DELAY_SECONDS: Final = 0.1
LONGEST_DELAY_SECONDS: Final = 5.0
STABLE_SECONDS: Final = 30.0  # having lived this long, its death counts as the first again
WATCH_SECONDS: Final = 0.1
RUN_FILE: Final = "run.json"


@contextmanager
def embedded_redis(local: Path, *, serving_at: str) -> Iterator[str]:
    """A Redis whose data outlives it under `local`. Yields its URL; it ends with the block.

    Raises: `AlreadyRunning`, `RedisUnavailable`.
    """
    with _only_one(local) as run_file:
        _end_orphan(run_file)
        place = redis_child.choose_place(local)
        _write(run_file, process=os.getpid(), serving_at=serving_at, redis_socket=str(place.socket))
        supervisor = _Supervisor(find_redis_server(), place)
        supervisor.start()
        try:
            yield place.url
        finally:
            supervisor.stop()
            redis_child.leave(place)


def running_instance(local: Path) -> dict[str, Any] | None:
    """What the `run` that holds this folder says of itself; None where there is none.

    Members: `process`, `serving_at` (URL), `redis_socket` (path); absent in its first moment.
    """
    try:
        with (local / RUN_FILE).open(encoding="utf-8") as file:
            return None if _lock(file.fileno()) else _read(file)
    except OSError:
        return None


def already_running(instance: dict[str, Any]) -> AlreadyRunning:
    return AlreadyRunning(
        f"Latchkey already runs from this folder at {instance.get('serving_at', '?')} "
        f"(process {instance.get('process', '?')}), and its Redis serves only that one. "
        "Use it, end it first, or set REDIS_URL."
    )


@contextmanager
def _only_one(local: Path) -> Iterator[TextIO]:
    """Hold the folder. The kernel lets go of the lock with the process, however that ends."""
    path = private_folder(local) / RUN_FILE
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY_FILE), "r+") as file:
        if not _lock(file.fileno()):
            raise already_running(_read(file))
        try:
            yield file
        finally:
            _write(file)


def _end_orphan(run_file: TextIO) -> None:
    """The last `run` did not tidy up: it was killed, and perhaps its Redis was not."""
    socket = _read(run_file).get("redis_socket")
    if socket and redis_child.answers(Path(socket)):
        redis_child.shut_down_orphan(Path(socket))


def _read(file: TextIO) -> dict[str, Any]:
    file.seek(0)
    try:
        instance: dict[str, Any] = json.loads(file.read())
    except ValueError:  # empty, or being written this very moment
        return {}
    return instance


def _write(file: TextIO, **instance: str | int) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(instance))
    file.flush()


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Supervisor:
    """Keeps one redis-server alive from a thread of its own, which is the child's parent thread."""

    def __init__(self, binary: str, place: RedisPlace) -> None:
        self._binary = binary
        self._place = place
        self._first_start: Future[None] = Future()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="embedded-redis")

    def start(self) -> None:
        """Raises: `RedisUnavailable` when it does not even start the first time."""
        self._thread.start()
        try:
            self._first_start.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _supervise(self) -> None:
        try:
            child = redis_child.start(self._binary, self._place, unless=self._stopping)
        except BaseException as error:  # noqa: BLE001 - it is raised again, where it was asked for
            self._first_start.set_exception(error)
            return
        self._first_start.set_result(None)
        delay = FIRST_DELAY_SECONDS
        while True:
            started_at = time.monotonic()
            if not self._ended_by_itself(child):
                redis_child.stop(child)
                return
            if time.monotonic() - started_at > STABLE_SECONDS:
                delay = FIRST_DELAY_SECONDS
            log_event("embedded-redis-died", exit_code=child.returncode, restart_in_seconds=delay)
            replacement, delay = self._restarted(delay)
            if replacement is None:
                return
            child = replacement

    def _ended_by_itself(self, child: subprocess.Popen[bytes]) -> bool:
        while not self._stopping.wait(WATCH_SECONDS):
            if child.poll() is not None:
                return True
        return False

    def _restarted(self, delay: float) -> tuple[subprocess.Popen[bytes] | None, float]:
        """A new child as soon as one starts, and the delay before the next; None when stopping."""
        while not self._stopping.wait(delay):
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)
            try:
                child = redis_child.start(self._binary, self._place, unless=self._stopping)
            except RedisUnavailable as error:
                log_event("embedded-redis-does-not-start", exception=error)
                continue
            log_event("embedded-redis-restarted", process=child.pid)
            return child, delay
        return None, delay
