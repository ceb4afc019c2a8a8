"""Fifty clients who log in without a pause, at full hashing cost: other routes hardly notice."""

import asyncio
from collections.abc import Callable
from itertools import chain

import pytest

from tests.factories import Person, sign_up
from tests.faults.figures import note
from tests.faults.ledger import workers_on
from tests.faults.plain_http import (
    Answer,
    Connection,
    connections,
    keep_asking,
    profile,
    refreshment,
    request,
    slowest_but,
    statuses,
    verification,
)
from tests.processes.workers import Workers
from tests.servers import running_redis

pytestmark = pytest.mark.faults

FLOODING = 50
ROUNDS = 2
ROUND_SECONDS = 4.0
PAUSE_SECONDS = 0.01
PROMISED_SECONDS = 0.1
# What the flood may add where the machine is too busy with something else to keep the promise
# without any flood: each round is compared to the same requests just before it.
MOST_TIMES_SLOWER = 4.0


class Others:
    """Somebody who reads, verifies, lists and refreshes, a connection for each, meanwhile."""

    def __init__(self, person: Person, workers: Workers) -> None:
        self._workers = workers
        self._current = person.refresh_token
        self._requests = (
            profile(person.access_token),
            verification(person.access_token),
            request("GET", "/auth/sessions", access_token=person.access_token),
        )

    async def go_on(self, seconds: float) -> list[Answer]:
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, over.set)
        async with connections(self._workers, 1 + len(self._requests)) as (refreshing, *asking):
            answers = await asyncio.gather(
                self._refresh_until(over.is_set, refreshing),
                *(
                    keep_asking(connection, one, over.is_set, pause_seconds=PAUSE_SECONDS)
                    for connection, one in zip(asking, self._requests, strict=True)
                ),
            )
        return [*chain(*answers)]

    async def _refresh_until(
        self,
        is_over: Callable[[], bool],
        connection: Connection,
    ) -> list[Answer]:
        answers = []
        while not is_over():
            answers.append(await connection.ask(refreshment(self._current)))
            self._current = answers[-1].json()["refresh_token"]
            await asyncio.sleep(PAUSE_SECONDS)
        return answers


async def test_other_routes_stay_fast_while_50_clients_log_in(database_url: str) -> None:
    calm, flooded, log_ins = [], [], []
    with running_redis() as redis_server:
        async with workers_on(
            database_url,
            redis_server.url,
            count=1,
            BCRYPT_ROUNDS="12",
        ) as workers:
            person = await sign_up(workers.next)
            log_in = request("POST", "/auth/login", email=person.email, password=person.password)
            others = Others(await sign_up(workers.next), workers)
            for _ in range(ROUNDS):
                calm.append(await others.go_on(ROUND_SECONDS))
                over = asyncio.Event()
                async with connections(workers, FLOODING) as flood:
                    coming = asyncio.gather(
                        *(keep_asking(c, log_in, over.is_set, pause_seconds=0.0) for c in flood),
                    )
                    flooded.append(await others.go_on(ROUND_SECONDS))
                    over.set()
                    log_ins += chain(*await coming)
    slowest = [slowest_but(1, answers) for answers in flooded]
    before = [slowest_but(1, answers) for answers in calm]
    note(
        f"{FLOODING}-client login flood",
        "other routes p99 ≤ 100 ms, none fails",
        f"p99 {min(slowest) * 1000:.0f} ms, without the flood {min(before) * 1000:.0f} ms; "
        f"{len(log_ins)} log-ins, other answers {statuses(chain(*flooded))}",
    )
    assert set(statuses(chain(*flooded))) == set(statuses(log_ins)) == {200}
    allowed = [max(PROMISED_SECONDS, MOST_TIMES_SLOWER * seconds) for seconds in before]
    assert any(took <= most for took, most in zip(slowest, allowed, strict=True))
