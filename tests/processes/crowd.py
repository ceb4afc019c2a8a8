"""One user with thousands of sessions, the cap lifted: what listing and ending them takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import redis

from tests.factories import sign_up
from tests.loading import CAP, LoadedSessions, load
from tests.processes.workers import (
    Worker,
    Workers,
    server_environment,
    timed,
    until,
    worker_processes,
)
from tests.servers import RedisServer, running_redis

SLOW_MICROSECONDS = 500
MOST_LOGGED = 4_096


@dataclass(frozen=True)
class Servers:
    """Workers, and the Redis that is theirs alone."""

    workers: list[Worker]
    redis: RedisServer


@dataclass(frozen=True)
class Figures:
    """What one round took. `slowest_command` counts Redis's own time, in microseconds."""

    listed: int
    list_seconds: float
    log_out_seconds: float
    refused_elsewhere_after: float  # seconds
    slowest_command: int
    slowest_name: str


@contextmanager
def servers_without_cap(database_url: str) -> Iterator[Servers]:
    with running_redis() as server:
        environment = server_environment(
            database_url=database_url,
            redis_url=server.url,
            SESSIONS_PER_USER=str(CAP),
        )
        with worker_processes(2, environment) as workers:
            yield Servers(workers, server)


async def list_and_log_out(pair: Workers, server: RedisServer, *, sessions: int) -> Figures:
    """A new user with this many sessions sees them all, then ends them all."""
    here, there = pair.clients
    person = await sign_up(here)
    load(server, LoadedSessions(sessions - 1, user_id=UUID(person.user["id"])))
    with redis.Redis.from_url(server.url, decode_responses=True) as log:
        log.config_set("slowlog-log-slower-than", SLOW_MICROSECONDS)
        log.config_set("slowlog-max-len", MOST_LOGGED)
        log.slowlog_reset()
        listed, list_seconds = await timed(here.get("/auth/sessions", headers=person.authorization))
        assert listed.status_code == 200, listed.text
        ended, log_out_seconds = await timed(
            here.post("/auth/logout", json={"scope": "global"}, headers=person.authorization),
        )
        assert ended.status_code == 204, ended.text
        refused_after = await until(
            lambda: there.post("/auth/verify", headers=person.authorization),
            401,
            within=5,
        )
        slow = max(log.slowlog_get(MOST_LOGGED), key=lambda entry: entry["duration"], default=None)
    return Figures(
        listed=len(listed.json()["sessions"]),
        list_seconds=list_seconds,
        log_out_seconds=log_out_seconds,
        refused_elsewhere_after=refused_after,
        slowest_command=slow["duration"] if slow else 0,
        slowest_name=slow["command"][:24] if slow else f"under {SLOW_MICROSECONDS} µs",
    )
