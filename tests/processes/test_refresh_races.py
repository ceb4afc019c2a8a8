"""One session, many requests, two processes: there is one chain, and one end to it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Iterable

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from src.auth.models import User
from tests.factories import Person, bearer, log_in, problem, refresh, sign_up
from tests.processes.people import (
    changing_password,
    disabling,
    logging_in,
    logging_out,
    logging_out_by_refresh_token,
    logging_out_everywhere,
)
from tests.processes.workers import (
    Worker,
    Workers,
    clients_of,
    report,
    server_environment,
    statuses,
    worker_processes,
)
from tests.servers import RedisServer
from tests.tokens import claims_of

REQUESTS = 200
CONNECTIONS = 40
RIVALS = 6
MOST_DELAY_SECONDS = 0.02

few_and_many_rounds = pytest.mark.parametrize(
    "rounds",
    [12, pytest.param(300, marks=pytest.mark.faults)],
)


def successors(responses: Iterable[httpx.Response]) -> set[str]:
    return {r.json()["refresh_token"] for r in responses if r.status_code == httpx.codes.OK}


async def refreshing_at_any_moment(pair: Workers, refresh_token: str) -> list[httpx.Response]:
    """Both processes refresh one token, each request a moment of its own after the start."""

    async def one(client: httpx.AsyncClient) -> httpx.Response:
        await asyncio.sleep(random.uniform(0, MOST_DELAY_SECONDS))
        return await refresh(client, refresh_token)

    return await pair.at_once(RIVALS, one)


async def at_any_moment(request: Awaitable[httpx.Response]) -> httpx.Response:
    await asyncio.sleep(random.uniform(0, MOST_DELAY_SECONDS))
    return await request


async def an_administrator(client: httpx.AsyncClient, engine: AsyncEngine) -> Person:
    person = await sign_up(client)
    async with engine.begin() as connection:
        named = col(User.email) == person.email
        await connection.execute(update(User).where(named).values(roles=["user", "admin"]))
    return await log_in(client, person)


async def expect_nothing_refreshes(pair: Workers, tokens: Iterable[str]) -> None:
    for refresh_token in tokens:
        answers = [await refresh(client, refresh_token) for client in pair.clients]
        assert statuses(answers) == {401: len(answers)}


async def test_200_parallel_refreshes_of_one_token_yield_one_successor(pair: Workers) -> None:
    person = await sign_up(pair.next)
    # Servers in use have their connections already; making 80 at once is another matter.
    await pair.at_once(CONNECTIONS, lambda c: c.get("/auth/me", headers=person.authorization))
    responses = await pair.at_once(REQUESTS, lambda c: refresh(c, person.refresh_token))
    report("200 refreshes of one token, two processes", answers=statuses(responses))
    assert statuses(responses) == {200: REQUESTS}
    (successor,) = successors(responses)
    before, after = claims_of(person.refresh_token), claims_of(successor)
    assert (after["sid"], after["gen"]) == (before["sid"], before["gen"] + 1)
    access_tokens = {response.json()["access_token"] for response in responses}
    me = await pair.next.get("/auth/me", headers=bearer(access_tokens.pop()))
    assert me.json() == person.user
    assert (await refresh(pair.next, successor)).status_code == 200


@few_and_many_rounds
async def test_nothing_refreshes_after_a_parallel_logout(pair: Workers, rounds: int) -> None:
    granted = 0
    for number in range(rounds):
        person = await sign_up(pair.next)
        log_out = logging_out if number % 2 else logging_out_by_refresh_token
        refreshed, logged_out = await asyncio.gather(
            refreshing_at_any_moment(pair, person.refresh_token),
            at_any_moment(log_out(pair.next, person)),
        )
        assert logged_out.status_code == 204
        assert set(statuses(refreshed)) <= {200, 401}
        granted += statuses(refreshed).get(200, 0)
        await expect_nothing_refreshes(pair, {person.refresh_token, *successors(refreshed)})
    report(f"refresh against logout, {rounds} rounds", granted=f"{granted} of {rounds * RIVALS}")


@few_and_many_rounds
async def test_only_the_fresh_session_refreshes_after_a_parallel_change_of_password(
    pair: Workers,
    rounds: int,
) -> None:
    granted = logged_in = 0
    for _ in range(rounds):
        laptop = await sign_up(pair.next)
        phone = await log_in(pair.next, laptop)
        refreshed, again, changed = await asyncio.gather(
            refreshing_at_any_moment(pair, phone.refresh_token),
            asyncio.gather(*(at_any_moment(logging_in(c, laptop)) for c in pair.clients)),
            at_any_moment(changing_password(pair.next, laptop)),
        )
        assert changed.status_code == 200, changed.text
        assert set(statuses(refreshed)) <= {200, 401}
        assert set(statuses(again)) <= {200, 401}
        granted += statuses(refreshed).get(200, 0)
        logged_in += statuses(again).get(200, 0)
        old = {laptop.refresh_token, phone.refresh_token, *successors([*refreshed, *again])}
        await expect_nothing_refreshes(pair, old)
        assert (await refresh(pair.next, changed.json()["refresh_token"])).status_code == 200
    report(
        f"refresh and log-in against a change of password, {rounds} rounds",
        refreshed=f"{granted} of {rounds * RIVALS}",
        logged_in=f"{logged_in} of {rounds * 2}",
    )


@few_and_many_rounds
async def test_nothing_refreshes_after_a_parallel_log_out_everywhere(
    pair: Workers,
    rounds: int,
) -> None:
    granted = 0
    for _ in range(rounds):
        laptop = await sign_up(pair.next)
        phone = await log_in(pair.next, laptop)
        *refreshed, logged_out = await asyncio.gather(
            refreshing_at_any_moment(pair, laptop.refresh_token),
            refreshing_at_any_moment(pair, phone.refresh_token),
            at_any_moment(logging_out_everywhere(pair.next, laptop)),
        )
        assert logged_out.status_code == 204
        answers = [*refreshed[0], *refreshed[1]]
        assert set(statuses(answers)) <= {200, 401}
        granted += statuses(answers).get(200, 0)
        old = {laptop.refresh_token, phone.refresh_token, *successors(answers)}
        await expect_nothing_refreshes(pair, old)
    report(
        f"refresh against global log-out, {rounds} rounds",
        granted=f"{granted} of {rounds * RIVALS * 2}",
    )


@few_and_many_rounds
async def test_nothing_refreshes_after_a_parallel_disabling(
    pair: Workers,
    engine: AsyncEngine,
    rounds: int,
) -> None:
    granted = logged_in = 0
    administrator = await an_administrator(pair.next, engine)
    for _ in range(rounds):
        person = await sign_up(pair.next)
        refreshed, again, disabled = await asyncio.gather(
            refreshing_at_any_moment(pair, person.refresh_token),
            asyncio.gather(*(at_any_moment(logging_in(c, person)) for c in pair.clients)),
            at_any_moment(disabling(pair.next, person, administrator=administrator)),
        )
        assert disabled.status_code == 200, disabled.text
        assert set(statuses(refreshed)) <= {200, 401}
        assert set(statuses(again)) <= {200, 401}
        granted += statuses(refreshed).get(200, 0)
        logged_in += statuses(again).get(200, 0)
        old = {person.refresh_token, *successors([*refreshed, *again])}
        await expect_nothing_refreshes(pair, old)
        assert (await logging_in(pair.next, person)).status_code == 401
    report(
        f"refresh and log-in against disabling, {rounds} rounds",
        refreshed=f"{granted} of {rounds * RIVALS}",
        logged_in=f"{logged_in} of {rounds * 2}",
    )


@pytest.fixture(scope="module")
def two_strict_workers(database_url: str, redis_server: RedisServer) -> Iterable[list[Worker]]:
    environment = server_environment(
        database_url=database_url,
        redis_url=redis_server.url,
        REFRESH_GRACE_SECONDS="0",
    )
    with worker_processes(2, environment) as workers:
        yield workers


@pytest.fixture
async def strict_pair(two_strict_workers: list[Worker]) -> AsyncIterator[Workers]:
    async with clients_of(two_strict_workers) as workers:
        yield workers


# The rule is decided in Redis alone; one kind of database shows it.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
async def test_without_grace_one_parallel_refresh_is_granted_and_the_session_ends(
    strict_pair: Workers,
) -> None:
    person = await sign_up(strict_pair.next)
    responses = await strict_pair.at_once(REQUESTS, lambda c: refresh(c, person.refresh_token))
    report("200 refreshes of one token, no grace", answers=statuses(responses))
    assert statuses(responses) == {200: 1, 401: REQUESTS - 1}
    refusals = {problem(r) for r in responses if r.status_code == httpx.codes.UNAUTHORIZED}
    assert refusals == {"refresh-token-reused"}
    await expect_nothing_refreshes(strict_pair, [person.refresh_token, *successors(responses)])
