"""A master killed or frozen under load: its replica takes over, and nobody is logged out."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from datetime import timedelta
from typing import cast

import httpx
import pytest
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisError

from src.core.redis import build_follower
from tests.factories import bearer, refresh, sign_up
from tests.faults.figures import note
from tests.faults.ledger import (
    Ledger,
    expect_all_go_on,
    figures,
    sign_up_many,
    under_load,
    workers_on,
)
from tests.faults.redis_groups import (
    RedisGroupServers,
    redis_behind_sentinels,
    redis_cluster,
    wait_until,
)
from tests.processes.workers import until
from tests.servers import RedisServer

pytestmark = pytest.mark.faults

SESSIONS = 12
BEFORE_SECONDS = AFTER_SECONDS = 2.0
# A replica is behind its master by as much, and one rotation that it missed is healed, not two.
PAUSE_SECONDS = 0.2
REVOKED_SECONDS = 20.0  # the follower may have to find the new master first

Fault = Callable[[RedisServer], AbstractContextManager[None]]


@contextmanager
def killed(server: RedisServer) -> Iterator[None]:
    server.kill()
    yield


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def with_replicas() -> AbstractContextManager[RedisGroupServers]:
    return redis_cluster(replicas=1)


@pytest.mark.parametrize("fault", [killed, frozen])
@pytest.mark.parametrize("group", [with_replicas, redis_behind_sentinels])
async def test_a_failover_under_load_ends_no_session(
    database_url: str,
    group: Callable[[], AbstractContextManager[RedisGroupServers]],
    fault: Fault,
) -> None:
    with group() as servers:
        async with workers_on(database_url, servers.url, count=2) as workers:
            ledgers = await sign_up_many(workers, SESSIONS)
            masters = servers.masters()
            async with under_load(workers, ledgers, pause_seconds=PAUSE_SECONDS):
                await asyncio.sleep(BEFORE_SECONDS)
                with fault(masters[0]):
                    promoted_after = await asyncio.to_thread(
                        wait_until,
                        lambda: _has_replaced(servers, masters),
                        "no replica was promoted",
                    )
                    await asyncio.gather(*(_goes_on(ledger) for ledger in ledgers))
                await asyncio.sleep(AFTER_SECONDS)
            await expect_all_go_on(workers, ledgers)
            await expect_revocation_is_seen(workers.clients)
    note(
        f"Redis master {fault.__name__}, {group.__name__}",
        "503 until a replica is promoted; 0 double spends, 0 false revocations",
        f"promoted after {promoted_after:.1f} s; {figures(ledgers)}",
    )
    assert any(ledger.waits for ledger in ledgers), "no request met the fault"


def _has_replaced(servers: RedisGroupServers, before: list[RedisServer]) -> bool:
    return any(server not in before for server in servers.masters(besides=before[0]))


async def _goes_on(ledger: Ledger) -> None:
    """Raises: TimeoutError when the session does not rotate again."""
    rotations = ledger.rotations
    async with asyncio.timeout(30.0):
        while ledger.rotations < rotations + 2:  # noqa: ASYNC110 - nobody announces a rotation
            await asyncio.sleep(0.05)


async def test_the_stream_is_followed_when_the_node_that_is_asked_where_keys_are_dies() -> None:
    with redis_cluster(replicas=1) as servers:
        follower = build_follower(servers.url, wait=timedelta(milliseconds=50))
        async with aclosing(follower):
            await follower.xread({"auth:{rev}": "0-0"}, block=50)
            asked = cast("RedisCluster", follower).get_default_node()
            next(server for server in servers.servers if server.port == asked.port).kill()

            async with asyncio.timeout(60.0):
                # Nobody announces a new master.
                while not await answers(follower.xread({"auth:{rev}": "0-0"}, block=50)):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)


async def answers(reply: Awaitable[object]) -> bool:
    try:
        await reply
    except RedisError:
        return False
    return True


async def expect_revocation_is_seen(clients: list[httpx.AsyncClient]) -> None:
    one, another = clients
    person = await sign_up(one)
    assert (await one.post("/auth/logout", headers=person.authorization)).status_code == 204
    await until(
        lambda: another.get("/auth/me", headers=bearer(person.access_token)),
        401,
        within=REVOKED_SECONDS,
    )
    assert (await refresh(another, person.refresh_token)).status_code == 401
