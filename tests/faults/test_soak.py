"""Hundreds of thousands of requests to one worker: memory, connections and keys stay as they were.

`SOAK_REQUESTS=1000000` makes it the million that is promised; the default takes a few minutes.
"""

import asyncio
import os
import time
from dataclasses import dataclass

import asyncpg
import pytest

from tests.conftest import migrate
from tests.factories import sign_up
from tests.faults.figures import note
from tests.faults.ledger import PATIENCE_SECONDS, workers_on
from tests.faults.plain_http import (
    Answer,
    Connection,
    connections,
    profile,
    refreshment,
    request,
    verification,
)
from tests.faults.process_figures import open_files, resident_bytes
from tests.processes.workers import Worker
from tests.servers import RedisServer, running_redis

pytestmark = pytest.mark.faults

REQUESTS = int(os.environ.get("SOAK_REQUESTS", "300000"))
WARM_UP = REQUESTS // 10
PEOPLE = 16
MOST_MEMORY = 1.05  # of what it was after the warm-up
# A pool opens one more connection whenever more are in use at once than ever before.
MOST_MORE_CONNECTIONS = 10


@dataclass(frozen=True)
class Holdings:
    """What a worker holds, of its own and elsewhere."""

    memory: int  # bytes in RAM
    files: int
    database_connections: int
    redis_connections: int
    redis_keys: int

    def __str__(self) -> str:
        return (
            f"{self.memory / 2**20:.1f} MiB, {self.files} files, "
            f"{self.database_connections} + {self.redis_connections} connections, "
            f"{self.redis_keys} keys"
        )


class Visitor:
    """Somebody with a connection and a session, who reads, verifies and refreshes in turn."""

    def __init__(self, connection: Connection, refresh_token: str) -> None:
        self._connection = connection
        self._refresh_token = refresh_token
        self.refused = 0  # by 503, where the machine was too busy; they are repeated

    async def ask(self, count: int) -> None:
        """So many requests, in rounds of ten. Raises: AssertionError unless all succeed."""
        for _ in range(count // 10):
            tokens = (await self._answer_to(refreshment(self._refresh_token))).json()
            self._refresh_token, access_token = tokens["refresh_token"], tokens["access_token"]
            for _ in range(5):
                await self._answer_to(profile(access_token))
            for _ in range(3):
                await self._answer_to(verification(access_token))
            await self._answer_to(request("GET", "/auth/sessions", access_token=access_token))

    async def _answer_to(self, one: bytes) -> Answer:
        answer = await self._connection.ask(one)
        while answer.status == 503:
            self.refused += 1
            await asyncio.sleep(PATIENCE_SECONDS)
            answer = await self._connection.ask(one)
        assert answer.status == 200, answer.body
        return answer


async def holdings(worker: Worker, server: RedisServer, database_url: str) -> Holdings:
    connection = await asyncpg.connect(database_url)
    try:
        database_connections = await connection.fetchval("SELECT count(*) FROM pg_stat_activity")
    finally:
        await connection.close()
    return Holdings(
        memory=resident_bytes(worker.process.pid),
        files=open_files(worker.process.pid),
        database_connections=database_connections,
        redis_connections=server.ask("INFO", "clients")["connected_clients"],
        redis_keys=server.ask("DBSIZE"),
    )


@pytest.fixture(scope="module")
def database_url(postgresql_url: str) -> str:
    """That of production."""
    migrate(postgresql_url, "head")
    return postgresql_url


async def test_requests_leave_nothing_behind(database_url: str) -> None:
    with running_redis() as server:
        async with workers_on(database_url, server.url, count=1) as workers:
            people = [await sign_up(workers.next) for _ in range(PEOPLE)]
            async with connections(workers, PEOPLE) as opened:
                visitors = [
                    Visitor(connection, person.refresh_token)
                    for connection, person in zip(opened, people, strict=True)
                ]
                await asyncio.gather(*(each.ask(WARM_UP // PEOPLE) for each in visitors))
                before = await holdings(workers.workers[0], server, database_url)
                started = time.perf_counter()
                await asyncio.gather(
                    *(each.ask((REQUESTS - WARM_UP) // PEOPLE) for each in visitors)
                )
                seconds = time.perf_counter() - started
                after = await holdings(workers.workers[0], server, database_url)
    note(
        f"{REQUESTS:,} requests to one worker",
        "memory ≤ +5 %, connections and key count flat",
        f"{(after.memory / before.memory - 1) * 100:+.1f} %: after the first tenth {before}; "
        f"in the end {after}; {(REQUESTS - WARM_UP) / seconds:.0f} requests/s, "
        f"{sum(each.refused for each in visitors)} refused at first",
    )
    assert after.memory <= before.memory * MOST_MEMORY
    assert after.redis_keys == before.redis_keys
    assert after.database_connections <= before.database_connections + MOST_MORE_CONNECTIONS
    assert after.redis_connections <= before.redis_connections + MOST_MORE_CONNECTIONS
    assert after.files <= before.files + 2 * MOST_MORE_CONNECTIONS
