"""Redis killed again and again under load, with its data kept; and emptied under load."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.factories import PASSWORD, Person, new_email, problem, refresh
from tests.faults.figures import note
from tests.faults.ledger import (
    PATIENCE_SECONDS,
    expect_all_go_on,
    figures,
    sign_up_many,
    under_load,
    workers_on,
)
from tests.processes.people import logging_in, logging_out_by_refresh_token, signing_up
from tests.processes.workers import Workers, report
from tests.servers import running_redis

pytestmark = pytest.mark.faults

APPEND_ONLY = ("--appendonly", "yes", "--appendfsync", "always")
KILLS = 100
SESSIONS = 6
UP_SECONDS = 0.3
REFRESHED_SECONDS = 30.0


@dataclass
class Acknowledged:
    """What a client was told of log-ins and log-outs; a 503 tells nothing."""

    alive: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    async def keep_coming_and_going(
        self,
        workers: Workers,
        person: Person,
        is_over: Callable[[], bool],
    ) -> None:
        """Log in, and log every other session out; what is not acknowledged is not noted."""
        while not is_over():
            logged_in = await logging_in(workers.next, person)
            self.answers[logged_in.status_code] += 1
            if logged_in.status_code != 200:
                await asyncio.sleep(PATIENCE_SECONDS)
                continue
            token = logged_in.json()["refresh_token"]
            if self.answers[200] % 2:
                self.alive.append(token)
                continue
            leaver = Person(person.email, person.password, "", token, person.user)
            logged_out = await logging_out_by_refresh_token(workers.next, leaver)
            self.answers[logged_out.status_code] += 1
            if logged_out.status_code == 204:
                self.ended.append(token)


async def test_nothing_acknowledged_is_lost_while_redis_is_killed_again_and_again(
    database_url: str,
) -> None:
    with running_redis(*APPEND_ONLY) as redis_server:
        async with workers_on(
            database_url,
            redis_server.url,
            count=2,
            SESSIONS_PER_USER="100000",
        ) as workers:
            ledgers = await sign_up_many(workers, SESSIONS)
            log, over = Acknowledged(), asyncio.Event()
            coming_and_going = asyncio.create_task(
                log.keep_coming_and_going(workers, ledgers[0].person, over.is_set),
            )
            async with under_load(workers, ledgers):
                for _ in range(KILLS):
                    await asyncio.sleep(UP_SECONDS)
                    redis_server.kill()
                    await asyncio.to_thread(redis_server.start)
                await asyncio.sleep(UP_SECONDS)
            over.set()
            await coming_and_going
            await expect_all_go_on(workers, ledgers)
            for token in log.alive:
                assert (await refresh(workers.next, token)).status_code == 200
            for token in log.ended:
                assert problem(await refresh(workers.next, token)) == "invalid-refresh-token"
    note(
        f"Redis with AOF killed {KILLS} times during refresh",
        "nothing acknowledged is lost; 0 double spends, 0 false revocations",
        f"{figures(ledgers)}; {len(log.alive)} log-ins and {len(log.ended)} log-outs kept",
    )
    assert set(log.answers) <= {200, 204, 503}
    assert any(ledger.waits for ledger in ledgers), "no request met the fault"


async def test_sessions_end_and_nothing_is_granted_when_redis_is_emptied_under_load(
    database_url: str,
) -> None:
    refusals: Counter[str] = Counter()
    with running_redis() as redis_server:
        async with workers_on(database_url, redis_server.url, count=2) as workers:
            ledgers = await sign_up_many(workers, SESSIONS)
            emptied = asyncio.Event()
            had = [[ledger.current] for ledger in ledgers]

            async def refresh_until_refused(tokens: list[str]) -> None:
                """Append every token that the session gets."""
                while True:
                    was_empty = emptied.is_set()
                    response = await refresh(workers.next, tokens[-1])
                    if response.status_code != 200:
                        refusals[problem(response)] += 1
                        return
                    assert not was_empty, "granted from an empty Redis"
                    tokens.append(response.json()["refresh_token"])

            refreshing = [asyncio.create_task(refresh_until_refused(tokens)) for tokens in had]
            async with asyncio.timeout(REFRESHED_SECONDS):
                while any(len(tokens) < 2 for tokens in had):  # noqa: ASYNC110 - nobody announces it
                    await asyncio.sleep(PATIENCE_SECONDS)
            redis_server.ask("FLUSHALL")
            emptied.set()
            await asyncio.gather(*refreshing)
            for tokens in had:
                for token in tokens[-3:]:
                    assert problem(await refresh(workers.next, token)) == "invalid-refresh-token"
            again = await signing_up(workers.next, email=new_email(), password=PASSWORD)
            assert again.status_code == 201
    report("Redis emptied under refreshes", refusals=dict(refusals))
    assert refusals == {"invalid-refresh-token": SESSIONS}
