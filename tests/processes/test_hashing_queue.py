"""A flood of log-ins: other routes stay fast, and the queue for hashing has an end."""

import asyncio
import statistics
from collections.abc import AsyncIterator

import pytest

from src.auth.passwords import PasswordHasher
from tests.factories import problem, sign_up
from tests.processes.people import logging_in
from tests.processes.workers import (
    Workers,
    clients_of,
    milliseconds,
    report,
    server_environment,
    statuses,
    timed,
    worker_processes,
)
from tests.servers import RedisServer

QUEUED = 30
OVERFLOW = 40


@pytest.fixture
async def worker(database_url: str, redis_server: RedisServer) -> AsyncIterator[Workers]:
    environment = server_environment(
        database_url=database_url,
        redis_url=redis_server.url,
        BCRYPT_ROUNDS="12",
    )
    with worker_processes(1, environment) as workers:
        async with clients_of(workers) as clients:
            yield clients


@pytest.mark.faults
@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True, scope="session")
async def test_profiles_are_served_while_30_logins_wait_for_their_hash(worker: Workers) -> None:
    client = worker.next
    person, reader = await sign_up(client), await sign_up(client)
    _, one_login = await timed(logging_in(client, person))
    flood = asyncio.gather(*(logging_in(client, person) for _ in range(QUEUED)))
    asked = []
    while not flood.done():
        response, seconds = await timed(client.get("/auth/me", headers=reader.authorization))
        assert response.status_code == 200
        asked.append(seconds)
        await asyncio.sleep(0.02)
    answers = await flood
    report(
        f"profiles while {QUEUED} log-ins wait, cost 12",
        profiles=f"{len(asked)}: {milliseconds(asked)}",
        one_login=milliseconds([one_login]),
    )
    assert statuses(answers) == {200: QUEUED}
    assert statistics.median(asked) < one_login / 10


@pytest.mark.faults
@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True, scope="session")
async def test_logins_beyond_the_queue_are_refused_at_once_and_break_nothing(
    worker: Workers,
) -> None:
    client = worker.next
    person = await sign_up(client)
    capacity = PasswordHasher(rounds=4)._capacity
    answers = await asyncio.gather(
        *(timed(logging_in(client, person)) for _ in range(capacity + OVERFLOW)),
    )
    refused = [(r, s) for r, s in answers if r.status_code == 503]
    granted = [s for r, s in answers if r.status_code == 200]
    report(
        f"{len(answers)} log-ins at once, cost 12",
        granted=f"{len(granted)}: {milliseconds(granted)}",
        refused=f"{len(refused)}: {milliseconds(s for _, s in refused)}",
    )
    assert len(refused) + len(granted) == len(answers)
    assert len(granted) >= capacity
    assert refused
    for response, _ in refused:
        assert problem(response) == "service-unavailable"
        assert int(response.headers["retry-after"]) >= 1
    # At once: the last refusal is there long before the queue has been worked off.
    assert max(s for _, s in refused) < max(granted) / 2
    assert (await logging_in(client, person)).status_code == 200
