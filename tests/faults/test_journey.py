"""The life of sessions on a Redis Cluster and behind Sentinel: the same as on one server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import httpx
import pytest

from src.first_run.failures import RedisUnavailable
from src.first_run.run import require_redis
from tests.factories import bearer, log_in, problem, refresh, sign_up
from tests.faults.ledger import workers_on
from tests.faults.redis_groups import (
    PATIENT_TIMEOUT_MS,
    RedisGroupServers,
    redis_behind_sentinels,
    redis_cluster,
)
from tests.processes.people import changing_password
from tests.processes.workers import Workers, report, statuses, until
from tests.tokens import claims_of

pytestmark = pytest.mark.faults

# A revocation is promised within a second, which others measure where nothing else is under way.
REVOKED_SECONDS = 20.0
REQUESTS = 200
GROUPS: dict[str, Callable[[], AbstractContextManager[RedisGroupServers]]] = {
    "cluster": redis_cluster,
    "sentinel": partial(redis_behind_sentinels, timeout_ms=PATIENT_TIMEOUT_MS),
}


@pytest.fixture(scope="module", params=GROUPS)
def group(request: pytest.FixtureRequest) -> Iterator[RedisGroupServers]:
    with GROUPS[request.param]() as servers:
        yield servers


@pytest.fixture(scope="module")
async def workers(database_url: str, group: RedisGroupServers) -> AsyncIterator[Workers]:
    async with workers_on(database_url, group.url, count=2) as workers:
        yield workers


async def expect_refused_everywhere(workers: Workers, access_token: str) -> None:
    for client in workers.clients:
        me = partial(client.get, "/auth/me", headers=bearer(access_token))
        await until(me, 401, within=REVOKED_SECONDS)


def tokens_of(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


async def test_every_worker_is_ready(workers: Workers) -> None:
    answers = [await client.get("/readyz") for client in workers.clients]
    assert statuses(answers) == {200: 2}


async def test_the_command_line_finds_the_servers(group: RedisGroupServers) -> None:
    await asyncio.to_thread(require_redis, group.url)
    with pytest.raises(RedisUnavailable, match="does not answer at redis"):
        await asyncio.to_thread(require_redis, "redis+cluster://:secret@127.0.0.1:1,127.0.0.1:2")


async def test_a_session_rotates_and_repeats(workers: Workers) -> None:
    person = await sign_up(workers.next)
    first = tokens_of(await refresh(workers.next, person.refresh_token))
    again = tokens_of(await refresh(workers.next, person.refresh_token))
    assert first["refresh_token"] == again["refresh_token"]
    assert (await refresh(workers.next, first["refresh_token"])).status_code == 200


async def test_200_parallel_refreshes_yield_one_successor(workers: Workers) -> None:
    person = await sign_up(workers.next)
    answers = await workers.at_once(REQUESTS, lambda c: refresh(c, person.refresh_token))
    report("200 refreshes of one token, a group of servers", answers=statuses(answers))
    assert statuses(answers) == {200: REQUESTS}
    (successor,) = {answer.json()["refresh_token"] for answer in answers}
    assert claims_of(successor)["gen"] == 1


async def test_reuse_ends_the_session_everywhere_and_no_other(workers: Workers) -> None:
    thief = await sign_up(workers.next)
    bystander = await log_in(workers.next, thief)
    newest = thief.refresh_token
    for _ in range(2):
        newest = (tokens_of(await refresh(workers.next, newest)))["refresh_token"]
    reused = await refresh(workers.next, thief.refresh_token)
    assert problem(reused) == "refresh-token-reused"
    assert problem(await refresh(workers.next, newest)) == "invalid-refresh-token"
    await expect_refused_everywhere(workers, thief.access_token)
    assert (await refresh(workers.next, bystander.refresh_token)).status_code == 200


async def test_log_out_ends_one_session_and_global_log_out_all(workers: Workers) -> None:
    laptop = await sign_up(workers.next)
    phone, tablet = [await log_in(workers.next, laptop) for _ in range(2)]
    out = await workers.next.post("/auth/logout", json={"refresh_token": laptop.refresh_token})
    assert out.status_code == 204
    await expect_refused_everywhere(workers, laptop.access_token)
    assert (await refresh(workers.next, laptop.refresh_token)).status_code == 401
    everywhere = await workers.next.post(
        "/auth/logout",
        json={"scope": "global"},
        headers=phone.authorization,
    )
    assert everywhere.status_code == 204
    for person in (phone, tablet):
        await expect_refused_everywhere(workers, person.access_token)
        assert (await refresh(workers.next, person.refresh_token)).status_code == 401


async def test_sessions_are_listed_and_ended_by_their_owner(workers: Workers) -> None:
    here = await sign_up(workers.next)
    there = await log_in(workers.next, here)
    listed = await workers.next.get("/auth/sessions", headers=here.authorization)
    ids = {session["id"]: session["current"] for session in listed.json()["sessions"]}
    own, other = (claims_of(p.access_token)["sid"] for p in (here, there))
    assert ids == {own: True, other: False}
    ended = await workers.next.delete(f"/auth/sessions/{other}", headers=here.authorization)
    assert ended.status_code == 204
    await expect_refused_everywhere(workers, there.access_token)
    assert (await refresh(workers.next, there.refresh_token)).status_code == 401
    assert (await refresh(workers.next, here.refresh_token)).status_code == 200


async def test_a_change_of_password_leaves_only_the_fresh_session(workers: Workers) -> None:
    laptop = await sign_up(workers.next)
    phone = await log_in(workers.next, laptop)
    fresh = tokens_of(await changing_password(workers.next, laptop))
    await expect_refused_everywhere(workers, phone.access_token)
    assert statuses([await refresh(workers.next, p.refresh_token) for p in (laptop, phone)]) == {
        401: 2,
    }
    assert (await refresh(workers.next, fresh["refresh_token"])).status_code == 200
