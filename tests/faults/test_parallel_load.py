"""Many at once: 500 parallel refreshes, and 10,000 sessions of one user that meet the cap.

The best round counts, in seconds of the processor, of three or, where the machine is busy with
something else, some more. A worker that has a core to itself has answered all of its own by then.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest
import redis

from tests.factories import log_in, sign_up
from tests.faults.figures import note
from tests.faults.ledger import workers_on
from tests.faults.plain_http import (
    Answer,
    all_at_once,
    connections,
    profile,
    refreshment,
    slowest_but,
    statuses,
)
from tests.faults.process_figures import processor_seconds
from tests.loading import LoadedSessions, load
from tests.processes.crowd import MOST_LOGGED, SLOW_MICROSECONDS
from tests.processes.people import logging_in
from tests.processes.workers import Workers, timed
from tests.servers import RedisServer, running_redis

pytestmark = pytest.mark.faults

AT_ONCE = 500
SESSIONS = 10_000
CAP = 20
MOST_ENDED = 1_000  # by one log-in
ROUNDS, MOST_ROUNDS = 3, 10
PROMISE = "p99 ≤ 1 s; no Redis command over 10 ms"
PROMISED_SECONDS = 1.0
PROMISED_MICROSECONDS = 10_000


@dataclass
class Round:
    """One time: what clients waited (p99), what the busiest worker worked for it, in seconds."""

    waited: float = 0.0
    worked: float = 0.0
    slowest_command: int = 0  # microseconds of Redis; 0 is less than is logged


@contextmanager
def measured(workers: Workers, server: RedisServer) -> Iterator[Round]:
    """The block notes what was waited."""
    one = Round()
    pids = [worker.process.pid for worker in workers.workers]
    before = [processor_seconds(pid) for pid in pids]
    with redis.Redis.from_url(server.url) as log:
        log.config_set("slowlog-log-slower-than", SLOW_MICROSECONDS)
        log.config_set("slowlog-max-len", MOST_LOGGED)
        log.slowlog_reset()
        yield one
        logged = log.slowlog_get(MOST_LOGGED)
    one.slowest_command = max((entry["duration"] for entry in logged), default=0)
    one.worked = max(processor_seconds(pid) - b for pid, b in zip(pids, before, strict=True))


def expect_promise(what: str, rounds: list[Round]) -> None:
    worked = min(one.worked for one in rounds)
    slowest = min(one.slowest_command for one in rounds)
    waited = ", ".join(f"{one.waited:.2f}" for one in rounds)
    note(
        what,
        PROMISE,
        f"p99 {waited} s, a worker's own part {worked:.2f} s; slowest command "
        f"{slowest / 1000:.1f} ms",
    )
    assert worked <= PROMISED_SECONDS
    assert slowest <= PROMISED_MICROSECONDS


@pytest.mark.parametrize("sessions", [AT_ONCE, 1])
async def test_500_parallel_refreshes_are_answered_within_a_second(
    database_url: str,
    sessions: int,
) -> None:
    rounds: list[Round] = []
    refused: list[int] = []
    with running_redis() as redis_server:
        async with workers_on(database_url, redis_server.url, count=2) as workers:
            people = [await sign_up(workers.next) for _ in range(sessions)] * (AT_ONCE // sessions)
            current = [person.refresh_token for person in people]
            while len(rounds) < ROUNDS or (min(refused) and len(rounds) < MOST_ROUNDS):
                async with connections(workers, AT_ONCE) as opened:
                    await all_at_once(opened, [profile(each.access_token) for each in people])
                    with measured(workers, redis_server) as one:
                        answers = await all_at_once(opened, map(refreshment, current))
                one.waited = slowest_but(1, answers)
                rounds.append(one)
                refused.append(statuses(answers).get(503, 0))
                current = successors_of(current, answers)
    what = f"{AT_ONCE} parallel refreshes of {sessions} session(s), {min(refused)} refused"
    expect_promise(what, rounds)
    assert min(refused) == 0


def successors_of(presented: list[str], answers: list[Answer]) -> list[str]:
    """One for each, the same wherever it was asked for; who was told 503 keeps what they had."""
    assert set(statuses(answers)) <= {200, 503}
    given: dict[str, set[str]] = {token: set() for token in presented}
    for token, answer in zip(presented, answers, strict=True):
        if answer.status == 200:
            given[token].add(answer.json()["refresh_token"])
    assert all(len(successors) <= 1 for successors in given.values())
    return [next(iter(given[token]), token) for token in presented]


async def test_a_cap_that_was_lowered_ends_10_000_sessions_without_holding_up_redis(
    database_url: str,
) -> None:
    """A thousand with each log-in, the oldest first, until only as many as allowed are left."""
    rounds = []
    with running_redis() as redis_server:
        async with workers_on(
            database_url,
            redis_server.url,
            count=1,
            SESSIONS_PER_USER=str(CAP),
        ) as workers:
            person = await sign_up(workers.next)
            many = LoadedSessions(SESSIONS - 1, user_id=UUID(person.user["id"]))
            load(redis_server, many)
            for _ in range(SESSIONS // MOST_ENDED):
                with measured(workers, redis_server) as one:
                    answer, one.waited = await timed(logging_in(workers.next, person))
                assert answer.status_code == 200
                rounds.append(one)
            newest = await log_in(workers.next, person)
            listed = await workers.next.get("/auth/sessions", headers=newest.authorization)
    assert len(listed.json()["sessions"]) == CAP
    expect_promise(f"a log-in that meets {SESSIONS:,} sessions, of which {CAP} may stay", rounds)
