"""No space left: what cannot be written is 503, what was acknowledged stays, and then all is well.

A limit on the size of a process's files stands for a full disk: it needs no privilege, and can be
set while the process runs. PostgreSQL tells the two apart, so it gets a small disk of its own.
"""

import asyncio
import resource
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from tests.conftest import migrate
from tests.factories import PASSWORD, bearer, new_email, problem
from tests.faults.figures import note, spread
from tests.faults.ledger import (
    PATIENCE_SECONDS,
    expect_all_go_on,
    figures,
    sign_up_many,
    under_load,
    workers_on,
)
from tests.faults.redis_groups import wait_until
from tests.processes.people import logging_in, signing_up
from tests.processes.test_database_faults import PostgresqlServer
from tests.processes.workers import statuses, timed, until
from tests.servers import RedisServer, running_redis

pytestmark = pytest.mark.faults

KIB = 1024
SMALL_DISK = "96m"
PEOPLE_AT_ONCE = 4
BEFORE_SECONDS = 1.0
FULL_SECONDS = 3.0
RECOVERY_SECONDS = 10.0
# Written to disk every second: where every write has to be there at once, Redis would end.
APPEND_ONLY = ("--appendonly", "yes", "--appendfsync", "everysec")


@contextmanager
def files_no_larger_than(size: int, process_id: int) -> Iterator[None]:
    """Where the process writes beyond so many bytes of a file, that fails."""
    limits = resource.prlimit(process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(process_id, resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, limits)


@dataclass
class SignUps:
    """What people were told who signed up."""

    acknowledged: list[dict[str, object]] = field(default_factory=list)
    answers: list[tuple[httpx.Response, float]] = field(default_factory=list)

    async def keep_coming(self, client: httpx.AsyncClient, is_over: Callable[[], bool]) -> None:
        while not is_over():
            response, seconds = await timed(
                signing_up(client, email=new_email(), password=PASSWORD)
            )
            self.answers.append((response, seconds))
            if response.status_code == httpx.codes.CREATED:
                self.acknowledged.append(response.json())
            else:
                await asyncio.sleep(PATIENCE_SECONDS)

    async def go_on(self) -> None:
        """Until somebody is in once more. Raises: TimeoutError."""
        before = len(self.acknowledged)
        async with asyncio.timeout(RECOVERY_SECONDS):
            while len(self.acknowledged) == before:  # noqa: ASYNC110 - of other tasks
                await asyncio.sleep(PATIENCE_SECONDS)
        await asyncio.sleep(BEFORE_SECONDS)

    @property
    def refused(self) -> list[float]:
        """The seconds until each 503."""
        return [seconds for response, seconds in self.answers if response.status_code == 503]

    async def expect_all_there(self, client: httpx.AsyncClient) -> None:
        for one in self.acknowledged:
            me = await client.get("/auth/me", headers=bearer(str(one["access_token"])))
            assert me.json() == one["user"]


@asynccontextmanager
async def signing_up_all_the_time(client: httpx.AsyncClient) -> AsyncIterator[SignUps]:
    sign_ups, over = SignUps(), asyncio.Event()
    async with asyncio.TaskGroup() as traffic:
        for _ in range(PEOPLE_AT_ONCE):
            traffic.create_task(sign_ups.keep_coming(client, over.is_set))
        try:
            await asyncio.sleep(BEFORE_SECONDS)
            yield sign_ups
            await sign_ups.go_on()
        finally:
            over.set()


def note_sign_ups(what: str, sign_ups: SignUps) -> None:
    note(
        what,
        "503, nothing acknowledged is lost, no corruption, normal when there is space again",
        f"{statuses(r for r, _ in sign_ups.answers)}, 503 after {spread(sign_ups.refused)}; "
        f"{len(sign_ups.acknowledged)} sign-ups kept",
    )


async def test_no_space_for_sqlite(database_url: str, redis_server: RedisServer) -> None:
    async with workers_on(database_url, redis_server.url, count=1) as workers:
        client, process = workers.next, workers.workers[0].process
        async with signing_up_all_the_time(client) as sign_ups:
            with files_no_larger_than(64 * KIB, process.pid):
                await asyncio.sleep(FULL_SECONDS)
        note_sign_ups("no space for SQLite", sign_ups)
        assert {response.status_code for response, _ in sign_ups.answers} == {201, 503}
        assert sign_ups.answers[-1][0].status_code == 201
        await sign_ups.expect_all_there(client)
    with sqlite3.connect(make_url(database_url).database or "") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@contextmanager
def no_space_for_its_file(server: RedisServer) -> Iterator[None]:
    with files_no_larger_than(1, server.process.pid):
        yield


def has_written(server: RedisServer) -> bool:
    """Whether all that it acknowledged is in its file, where it survives its end."""
    return bool(server.ask("INFO", "persistence")["aof_buffer_length"] == 0)


@contextmanager
def no_memory(server: RedisServer) -> Iterator[None]:
    server.ask("CONFIG", "SET", "maxmemory", "1")
    yield
    server.ask("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.parametrize("fault", [no_space_for_its_file, no_memory])
async def test_a_redis_that_can_store_nothing(
    database_url: str, fault: Callable[[RedisServer], AbstractContextManager[None]]
) -> None:
    with running_redis(*APPEND_ONLY) as redis_server:
        async with workers_on(database_url, redis_server.url, count=1) as workers:
            client = workers.next
            ledgers = await sign_up_many(workers, PEOPLE_AT_ONCE)
            async with under_load(workers, ledgers, pause_seconds=PATIENCE_SECONDS):
                await asyncio.sleep(BEFORE_SECONDS)
                with fault(redis_server):
                    await asyncio.sleep(FULL_SECONDS)
                    person = ledgers[0].person
                    me = await client.get("/auth/me", headers=person.authorization)
                    refused = await logging_in(client, person)
                recovery = await until(
                    lambda: logging_in(client, person), 200, within=RECOVERY_SECONDS
                )
            await asyncio.to_thread(wait_until, partial(has_written, redis_server), "a written AOF")
            redis_server.kill()
            redis_server.start()
            await expect_all_go_on(workers, ledgers)
    note(
        f"Redis with AOF, {fault.__name__.replace('_', ' ')}",
        "503, access tokens go on, 0 double spends, 0 false revocations, also after its restart",
        f"{figures(ledgers)}; normal after {recovery:.2f} s",
    )
    assert me.status_code == 200
    assert problem(refused) == "service-unavailable"
    assert any(ledger.waits for ledger in ledgers), "no request met the fault"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="lk-pg-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(folder)]
    try:
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("a disk of its own is mounted as root: sudo make test-faults")
        yield folder
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    filling = disk / "filling"
    with filling.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(KIB))
    yield
    filling.unlink()


async def test_no_space_for_postgresql(small_disk: Path, redis_server: RedisServer) -> None:
    server = PostgresqlServer(small_disk / "data")
    try:
        await asyncio.to_thread(migrate, server.url, "head")
        async with workers_on(server.url, redis_server.url, count=1) as workers:
            client = workers.next
            async with signing_up_all_the_time(client) as sign_ups:
                with filled(small_disk):
                    await asyncio.sleep(FULL_SECONDS)
            note_sign_ups("no space for PostgreSQL", sign_ups)
            assert {response.status_code for response, _ in sign_ups.answers} == {201, 503}
            assert sign_ups.answers[-1][0].status_code == 201
            server.stop()
            server.start()
            await until(lambda: client.get("/readyz"), 200, within=RECOVERY_SECONDS)
            await sign_ups.expect_all_there(client)
    finally:
        server.delete()
