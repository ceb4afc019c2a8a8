"""Both signing keys are rotated while people work: nobody notices, and old tokens end in time."""

import asyncio
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.factories import Person, bearer, refresh, sign_up
from tests.processes.rotations import Rotation, kid_of, traffic_of
from tests.processes.workers import (
    Workers,
    clients_of,
    report,
    server_environment,
    until,
    worker_processes,
)
from tests.servers import RedisServer
from tests.tokens import claims_of

REREAD_SECONDS = 30.0
LEEWAY_SECONDS = 10


async def access_is_granted(workers: Workers, access_token: str) -> set[int]:
    headers = bearer(access_token)
    return {(await c.get("/auth/me", headers=headers)).status_code for c in workers.clients}


@pytest.mark.one_database
async def test_rotating_both_keys_under_load_fails_no_request_and_signs_nobody_out(
    pair: Workers,
    keys_file: Path,
) -> None:
    early, idle, late = [await sign_up(pair.next) for _ in range(3)]
    rotation = Rotation(keys_file, pair, early, access_ttl=900)
    try:
        await _expect_that_nobody_notices(pair, rotation, early=early, idle=idle)
        await _expect_the_end_of_old_tokens(pair, rotation, late)
    finally:
        await rotation.start_over()


async def _expect_that_nobody_notices(
    pair: Workers,
    rotation: Rotation,
    *,
    early: Person,
    idle: Person,
) -> None:
    async with traffic_of([early, await sign_up(pair.next)], pair) as traffic:
        for _ in range(3):  # published; active; the first of the file retires as well
            await rotation.rotate()
            for worker in pair.workers:
                worker.process.send_signal(signal.SIGHUP)
            await traffic.more(20)
    assert traffic.failures == []
    assert len(traffic.kids) == 3
    assert await access_is_granted(pair, idle.access_token) == {200}
    renewed = await refresh(pair.next, idle.refresh_token)
    # A session's chain stays under the key that it began with; access tokens have the new one.
    assert kid_of(renewed.json()["refresh_token"]) == kid_of(idle.refresh_token)
    assert kid_of(renewed.json()["access_token"]) != kid_of(idle.access_token)


async def _expect_the_end_of_old_tokens(pair: Workers, rotation: Rotation, late: Person) -> None:
    fresh = await sign_up(pair.next)
    assert await access_is_granted(pair, late.access_token) == {200}
    end = rotation.end_retiring_in(2)
    for client in pair.clients:
        me = partial(client.get, "/auth/me", headers=late.authorization)
        await until(me, 401, within=REREAD_SECONDS)
        assert time.time() >= end
        assert (await refresh(client, late.refresh_token)).status_code == 401
    assert await access_is_granted(pair, fresh.access_token) == {200}
    assert (await refresh(pair.next, fresh.refresh_token)).status_code == 200


@pytest.mark.faults
@pytest.mark.one_database
async def test_every_token_is_good_until_its_own_end_whatever_is_rotated(
    database_url: str,
    redis_server: RedisServer,
    tmp_path: Path,
) -> None:
    keys_file = tmp_path / "keys.json"
    environment = server_environment(
        database_url=database_url,
        redis_url=redis_server.url,
        ACCESS_TOKEN_EXPIRE_MINUTES="1",
        JWT_KEYS_FILE=str(keys_file),
    )
    with worker_processes(2, environment) as processes:
        async with clients_of(processes) as workers:
            people = [await sign_up(workers.next) for _ in range(4)]
            rotation = Rotation(keys_file, workers, people[0], access_ttl=60)
            async with traffic_of(people, workers) as traffic:
                for _ in range(4):
                    await rotation.rotate()
                    await traffic.more(100)
            assert traffic.failures == []
            assert len(traffic.kids) == 4
            kept = {kid_of(token): token for token in traffic.access_tokens}
            report("rotations under load", answers=traffic.answers, keys=len(kept))
            await asyncio.gather(
                *(_expect_to_live_as_long_as_it_says(workers, token) for token in kept.values()),
            )


async def _expect_to_live_as_long_as_it_says(workers: Workers, token: str) -> None:
    expires = int(claims_of(token)["exp"])
    await asyncio.sleep(max(0.0, expires - 1 - time.time()))
    assert await access_is_granted(workers, token) == {200}
    await asyncio.sleep(max(0.0, expires + LEEWAY_SECONDS + 1 - time.time()))
    assert await access_is_granted(workers, token) == {401}
