"""Workers, their supervisor and what they are forked from are killed; the workers 100 times."""

import asyncio
import os
import random
import signal
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import pytest

from tests.factories import sign_up
from tests.faults.figures import note, spread
from tests.faults.ledger import Ledger, figures
from tests.first_run.processes import (
    RunningServer,
    copy_project,
    is_alive,
    running_server,
    wait_until,
)

pytestmark = pytest.mark.faults

T = TypeVar("T")

FAST = {"BCRYPT_ROUNDS": "4", "RATE_LIMITS": "off", "LOG_LEVEL": "WARNING"}
KILLS = 100
PEOPLE_AT_ONCE = 6
ROTATIONS_EACH = 10
PAUSE_SECONDS = 0.05
BETWEEN_SECONDS = 0.3
PROMISED_SECONDS = 2.0
PATIENCE_SECONDS = 30.0
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    project = copy_project(tmp_path / "project")
    with running_server(project, "--workers", "2", **FAST) as started:
        wait_until(lambda: len(started.workers) == 2, PATIENCE_SECONDS, what="both workers")
        yield started


@dataclass
class Crowd:
    """People who sign up and stay for a while. Who gets no answer asks again."""

    ledgers: list[Ledger] = field(default_factory=list)
    unanswered: int = 0

    async def keep_coming(self, client: httpx.AsyncClient, is_over: Callable[[], bool]) -> None:
        while not is_over():
            person = await self._answer(sign_up(client))
            if person is None:
                continue
            ledger = Ledger(person)
            self.ledgers.append(ledger)
            while ledger.rotations < ROTATIONS_EACH and not is_over():
                await asyncio.sleep(PAUSE_SECONDS)
                await self._answer(ledger.refresh(client, ledger.current))

    async def _answer(self, request: Awaitable[T]) -> T | None:
        try:
            return await request
        except httpx.TransportError:  # its worker died: nothing was acknowledged
            self.unanswered += 1
            return None


@asynccontextmanager
async def crowded(client: httpx.AsyncClient) -> AsyncIterator[Crowd]:
    """People come and go while the block runs. Raises: ExceptionGroup."""
    crowd, over = Crowd(), asyncio.Event()
    async with asyncio.TaskGroup() as traffic:
        for _ in range(PEOPLE_AT_ONCE):
            traffic.create_task(crowd.keep_coming(client, over.is_set))
        try:
            yield crowd
        finally:
            over.set()


def replacement_after(killed: int, server: RunningServer) -> float:
    """Kill a worker; the seconds until a new one has answered."""
    before = {*server.workers}
    started = time.perf_counter()
    os.kill(killed, signal.SIGKILL)
    while not any(answers(worker, server) for worker in {*server.workers} - before):
        assert time.perf_counter() - started < PATIENCE_SECONDS, "it was not replaced"
    return time.perf_counter() - started


def answers(worker: int, server: RunningServer) -> bool:
    """Whether it is this worker that answers a request on a connection of its own."""
    port = urlsplit(server.base).port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(HEALTH)
        assert connection.recv(1)
        return f"socket:[{inode_of_other_end(connection)}]" in open_files(worker)


def inode_of_other_end(connection: socket.socket) -> str:
    """What the kernel calls it, in a table of `local remote state ... inode` with ports in hex.

    Nothing where it is not found: the table changes while it is read.
    """
    remote = f":{connection.getsockname()[1]:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return next((fields[9] for fields in lines if fields[2].endswith(remote)), "")


def open_files(process_id: int) -> set[str]:
    names = set()
    with suppress(OSError):  # each may be closed meanwhile, and the process may end
        for file in Path(f"/proc/{process_id}/fd").iterdir():
            with suppress(OSError):
                names.add(str(file.readlink()))
    return names


async def test_workers_killed_under_load_lose_nothing_and_are_replaced(
    server: RunningServer,
) -> None:
    seconds = []
    async with httpx.AsyncClient(base_url=server.base, timeout=PATIENCE_SECONDS) as client:
        async with crowded(client) as crowd:
            for _ in range(KILLS):
                await asyncio.sleep(BETWEEN_SECONDS)
                killed = random.choice(server.workers)
                seconds.append(await asyncio.to_thread(replacement_after, killed, server))
        note(
            f"worker killed under load, {KILLS} times",
            "every acknowledged sign-up is there; 0 double spends, 0 false revocations; "
            f"replaced within {PROMISED_SECONDS:.0f} s",
            f"{len(crowd.ledgers)} sign-ups, {figures(crowd.ledgers)}, "
            f"{crowd.unanswered} unanswered; replaced after {spread(seconds)}",
        )
        for ledger in crowd.ledgers:
            me = await client.get("/auth/me", headers=ledger.person.authorization)
            assert me.json()["email"] == ledger.person.email
            assert (await ledger.refresh(client, ledger.current)).status_code == 200
            assert all(len(successors) == 1 for successors in ledger.successors.values())
    assert crowd.unanswered, "no request met the fault"
    assert statistics.median(seconds) <= PROMISED_SECONDS


def test_workers_end_with_their_supervisor(server: RunningServer) -> None:
    family = [*server.fork_servers, *server.workers]
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not any(map(is_alive, family)), PATIENCE_SECONDS, what="their end")


def test_workers_go_on_without_what_they_were_forked_from(server: RunningServer) -> None:
    (fork_server,), orphans = server.fork_servers, server.workers
    os.kill(fork_server, signal.SIGKILL)
    wait_until(lambda: len(server.workers) == 2, PATIENCE_SECONDS, what="new workers")
    wait_until(lambda: not any(map(is_alive, orphans)), PATIENCE_SECONDS, what="the orphans' end")
    assert httpx.get(server.base + "/healthz", timeout=PATIENCE_SECONDS).status_code == 200
    assert fork_server not in server.fork_servers
    assert server.end() == 0


def test_hanging_up_replaces_every_worker_one_after_the_other(server: RunningServer) -> None:
    before = {*server.workers}
    server.process.send_signal(signal.SIGHUP)

    def all_are_new() -> bool:
        now = {*server.workers}
        return not before & now and len(now) == len(before)

    wait_until(all_are_new, PATIENCE_SECONDS, what="new workers")
    assert httpx.get(server.base + "/healthz", timeout=PATIENCE_SECONDS).status_code == 200
    assert server.end() == 0
