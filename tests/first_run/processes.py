"""Commands and servers as real processes, started, watched and ended by tests."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

import httpx

from src.core.settings import Settings
from tests.servers import END_SECONDS, end
from tests.waiting import NO_TLS

START_SECONDS = 60.0
REPOSITORY = Path(__file__).parents[2]
NOT_PART_OF_IT = (".venv", ".venv-bench", ".local", ".git", ".env", "node_modules")
READY = "Latchkey is ready in "
# With the block that follows: what is printed at once may be read line by line.
WHOLE_BLOCK = rf"{READY}(?:.*\n)+?  (?:API {{9}}|Demo login ).*\n"


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without any setting of the platform."""
    inherited = {k: v for k, v in os.environ.items() if k not in Settings.model_fields}
    return {**inherited, "NO_COLOR": "1", **changes}


def command(
    project: Path, *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENT…` in the project's folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=clean_environment(**environment),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def cli(
    project: Path, *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python -m src.cli ARGUMENT…` in the project's folder."""
    return command(project, "-m", "src.cli", *arguments, stdin=stdin, **environment)


def copy_project(folder: Path) -> Path:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    if listing.returncode:  # not a clone: an unpacked archive
        ignore = shutil.ignore_patterns(*NOT_PART_OF_IT, "__pycache__")
        return Path(shutil.copytree(REPOSITORY, folder, ignore=ignore))
    for name in filter(None, listing.stdout.decode().split("\0")):
        source, target = REPOSITORY / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


@dataclass
class RunningServer:
    """A `python -m src.cli run` that has said that it is ready."""

    process: subprocess.Popen[str]
    lines: list[str]
    project: Path

    @property
    def printed(self) -> str:
        """Everything that it has written so far."""
        return "".join(self.lines)

    @property
    def base(self) -> str:
        """Its address, without a slash at the end."""
        found = re.search(r"(?:Test page|API) +(http://\S+)/", self.printed)
        assert found is not None, self.printed
        return found.group(1)

    @property
    def redis_socket(self) -> str:
        instance = json.loads((self.project / ".local" / "run.json").read_text())
        return str(instance["redis_socket"])

    @property
    def fork_servers(self) -> list[int]:
        """The process ids of what its workers are forked from: one, once there are any."""
        return [each for each in children_of(self.process.pid) if is_fork_server(each)]

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers, if it has several."""
        return [worker for each in self.fork_servers for worker in children_of(each)]

    def post(self, path: str, **members: str) -> tuple[int, dict[str, str]]:
        """Status and document of a JSON request."""
        response = httpx.post(self.base + path, json=members, timeout=10, verify=NO_TLS)
        return response.status_code, response.json()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait; a server that takes over half a minute fails the test."""
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS)

    def seconds_to_end(self) -> float:
        """From SIGTERM, after which it ends in order."""
        started = time.perf_counter()
        assert self.end() == 0, self.printed
        return time.perf_counter() - started


@contextmanager
def running_server(
    project: Path, *options: str, awaited: str = WHOLE_BLOCK, **environment: str
) -> Iterator[RunningServer]:
    """The server on a port of its own choice once it printed `awaited`, a pattern; then ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "src.cli", "run", "--port", "0", *options],
        cwd=project,
        env=clean_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    server = RunningServer(process, [], project)
    reader = Thread(target=_read_lines, args=(process.stdout, server.lines), daemon=True)
    reader.start()
    try:
        wait_until(lambda: has_said(server, awaited), START_SECONDS, what=awaited)
        yield server
    finally:
        end(process)
        reader.join(END_SECONDS)
        process.stdout.close()


def _read_lines(stream: IO[str], lines: list[str]) -> None:
    """Keep reading: a server whose pipe is full would stand still."""
    for line in stream:
        lines.append(line)  # noqa: PERF402 - line by line, for whoever looks meanwhile


def has_said(server: RunningServer, awaited: str) -> bool:
    assert server.process.poll() is None, f"the server ended: {server.printed}"
    return re.search(awaited, server.printed) is not None


def wait_until(condition: Callable[[], bool], seconds: float, *, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def children_of(process_id: int) -> list[int]:
    """Their process ids; of a process that has ended, none."""
    try:
        children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in children.split()]


def is_fork_server(process_id: int) -> bool:
    try:
        return b"multiprocessing.forkserver" in Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return False


def is_alive(process_id: int) -> bool:
    """Whether the process runs; one that ended and was not waited for does not."""
    try:
        with open(f"/proc/{process_id}/stat", encoding="ascii", errors="replace") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
