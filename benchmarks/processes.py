"""Servers that are measured: each on one core, with its processor time and memory."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import end

PAGE = os.sysconf("SC_PAGE_SIZE")
START_SECONDS = 60.0
POLL_SECONDS = 0.01
ANSWER_BYTES = 12  # "HTTP/1.1 200"


@dataclass(frozen=True)
class Server:
    """A process, and those that it started."""

    process: subprocess.Popen[bytes]
    port: int
    seconds_to_first_answer: float

    def processor_clock(self) -> Callable[[], float]:
        """How many seconds all threads of its processes have used since now."""
        pids = _tree(self.process.pid)
        before = _processor_seconds(pids)
        return lambda: _processor_seconds(pids) - before

    def resident_mebibytes(self) -> float:
        """Of the largest process: the worker, where a supervisor started it."""
        statm = [Path(f"/proc/{pid}/statm").read_text() for pid in _tree(self.process.pid)]
        return max(int(text.split()[1]) for text in statm) * PAGE / 2**20


@contextmanager
def serving(
    command: Sequence[str],
    *,
    port: int,
    environment: Mapping[str, str],
    folder: Path,
    cores: set[int],
    path: str = "/",
) -> Iterator[Server]:
    """The server, once it answers. What it prints goes to a file of the folder, as in operation.

    Raises: RuntimeError when it ends, or says nothing for a minute.
    """
    log = folder / f"{port}.log"
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    os.sched_setaffinity(process.pid, cores)  # long before it starts a thread
    try:
        while not _answers(port, path):
            if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
                raise RuntimeError(f"{command} does not serve:\n{log.read_text()[-4_000:]}")
            time.sleep(POLL_SECONDS)
        yield Server(process, port, time.perf_counter() - started)
    finally:
        end(process)


def _answers(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            return len(connection.recv(ANSWER_BYTES)) > 0
    except OSError:
        return False


def _processor_seconds(pids: Sequence[int]) -> float:
    """The clocks of other processes, in nanoseconds where /proc tells hundredths of a second.

    Source: clock_getcpuclockid(3), as Linux encodes its result.
    """
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def _tree(root: int) -> list[int]:
    """The process and all that descend from it."""
    parents = {int(stat.parent.name): _parent(stat) for stat in Path("/proc").glob("[0-9]*/stat")}
    tree = [root]
    for pid in tree:  # it grows meanwhile
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def _parent(stat: Path) -> int:
    """The second field after the name, which may hold anything. Source: proc_pid_stat(5)."""
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return 0
