"""Sign-ups that meet in the database: the unique index decides, and nobody sees a 5xx."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.factories import PASSWORD, bearer, new_email, problem
from tests.processes.people import signing_up
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


@pytest.fixture(scope="module")
def two_workers_hashing_for_real(
    database_url: str,
    redis_server: RedisServer,
) -> Iterator[list[Worker]]:
    environment = server_environment(
        database_url=database_url,
        redis_url=redis_server.url,
        BCRYPT_ROUNDS="12",
    )
    with worker_processes(2, environment) as workers:
        yield workers


@pytest.fixture
async def real_pair(two_workers_hashing_for_real: list[Worker]) -> AsyncIterator[Workers]:
    async with clients_of(two_workers_hashing_for_real) as workers:
        yield workers


@pytest.mark.faults
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True, scope="session")
async def test_50_parallel_signups_with_one_email_make_one_account(real_pair: Workers) -> None:
    email = new_email()
    responses = await real_pair.at_once(
        50,
        lambda client: signing_up(client, email=email, password=PASSWORD),
    )
    report("50 sign-ups with one e-mail, two processes, cost 12", answers=statuses(responses))
    assert statuses(responses) == {201: 1, 409: 49}
    assert {problem(r) for r in responses if r.status_code == 409} == {"email-taken"}
    winner = next(r.json() for r in responses if r.status_code == 201)
    me = await real_pair.next.get("/auth/me", headers=bearer(winner["access_token"]))
    assert me.json() == winner["user"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
async def test_40_parallel_signups_all_get_into_sqlite(pair: Workers) -> None:
    responses = await pair.at_once(
        40,
        lambda client: signing_up(client, email=new_email(), password=PASSWORD),
    )
    report("40 parallel sign-ups on SQLite, two processes", answers=statuses(responses))
    assert statuses(responses) == {201: 40}
    for response in responses:
        document = response.json()
        me = await pair.next.get("/auth/me", headers=bearer(document["access_token"]))
        assert me.json() == document["user"]
