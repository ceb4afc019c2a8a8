"""What Redis did although its answer was lost: the end of a session is told as if it had not been.

The client library repeats a script whose connection was cut, and whoever gets a 503 asks again.
Either way the second run finds the work done, and must not find that there is nothing to tell.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from src.app import create_app
from src.auth.models import AuthEvent
from tests.auth.test_revocations import refused_soon
from tests.conftest import make_settings, running
from tests.factories import Person, log_in, problem, refresh, sign_up
from tests.faults.ledger import workers_on
from tests.faults.proxy import CuttingProxy, Moment
from tests.faults.redis_groups import redis_cluster
from tests.processes.people import (
    changing_password,
    logging_in,
    logging_out,
    logging_out_everywhere,
)
from tests.servers import tcp_redis
from tests.tokens import claims_of

pytestmark = pytest.mark.faults

Client = httpx.AsyncClient
Doing = Callable[[Client, Person, Person], Awaitable[httpx.Response]]
CAP = 3
ONE_CUT, CUT_AGAIN = 1, 2


async def log_in_beyond_the_cap(client: Client, victim: Person, _: Person) -> httpx.Response:
    return await logging_in(client, victim)


async def reuse(client: Client, victim: Person, _: Person) -> httpx.Response:
    return await refresh(client, victim.refresh_token)


async def log_out(client: Client, victim: Person, _: Person) -> httpx.Response:
    return await logging_out(client, victim)


async def end_from_the_list(client: Client, victim: Person, other: Person) -> httpx.Response:
    address = f"/auth/sessions/{claims_of(victim.access_token)['sid']}"
    return await client.delete(address, headers=other.authorization)


async def log_out_others(client: Client, _: Person, other: Person) -> httpx.Response:
    scope = {"scope": "others"}
    return await client.post("/auth/logout", json=scope, headers=other.authorization)


async def log_out_everywhere(client: Client, _: Person, other: Person) -> httpx.Response:
    return await logging_out_everywhere(client, other)


async def change_password(client: Client, _: Person, other: Person) -> httpx.Response:
    return await changing_password(client, other)


ENDINGS: list[Doing] = [
    log_in_beyond_the_cap,
    reuse,
    log_out,
    end_from_the_list,
    log_out_others,
    log_out_everywhere,
    change_password,
]


@dataclass(frozen=True)
class Outcome:
    """What is to be the same with a cut and without; the history is that of the ended session."""

    status: int
    content: str
    history: list[tuple[str, str | None]]


@dataclass(frozen=True)
class World:
    """Two workers: one has its connections to Redis cut, the other hears what was published."""

    worker: Client
    other: Client
    proxy: CuttingProxy
    engine: AsyncEngine

    async def people(self) -> tuple[Person, Person]:
        """A person's oldest session, to be ended, and another. Their first tokens are spent."""
        oldest = await sign_up(self.other)
        others = [await log_in(self.other, oldest) for _ in range(CAP - 1)]
        for each in (oldest, *others):
            assert (await refresh(self.other, each.refresh_token)).status_code == 200
        return oldest, others[0]

    async def outcome(self, answer: httpx.Response, victim: Person) -> Outcome:
        for worker in (self.worker, self.other):
            assert await refused_soon(worker, victim)
        session_id = claims_of(victim.access_token)["sid"]
        rows = select(col(AuthEvent.event), col(AuthEvent.cause)).order_by(col(AuthEvent.seq))
        async with self.engine.connect() as connection:
            found = await connection.execute(rows.where(col(AuthEvent.session_id) == session_id))
        what = "" if answer.is_success else answer.json()["type"]
        return Outcome(answer.status_code, what, [(event, cause) for event, cause in found])


@pytest.fixture
async def world(database_url: str, engine: AsyncEngine) -> AsyncIterator[World]:
    with tcp_redis() as redis_server:
        async with CuttingProxy(redis_server.port).listening() as proxy:
            settings = make_settings(
                DATABASE_URL=database_url,
                REDIS_URL=f"redis://127.0.0.1:{proxy.port}",
                SESSIONS_PER_USER=CAP,
                REFRESH_GRACE_SECONDS=0,
            )
            direct = f"redis://127.0.0.1:{redis_server.port}"
            elsewhere = settings.model_copy(update={"REDIS_URL": direct})
            async with (
                running(create_app(settings)) as worker,
                running(create_app(elsewhere)) as other,
            ):
                yield World(worker, other, proxy, engine)


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("do", ENDINGS)
async def test_a_lost_answer_changes_nothing_of_what_is_told(
    world: World,
    do: Doing,
    moment: Moment,
) -> None:
    victim, elsewhere = await world.people()
    uncut = await world.outcome(await do(world.worker, victim, elsewhere), victim)
    assert uncut.history[-1][0] == "session-ended"
    for scripts_before in (0, 1):
        victim, elsewhere = await world.people()
        world.proxy.cut_next(moment, times=ONE_CUT, after=scripts_before)
        answer = await do(world.worker, victim, elsewhere)
        assert await world.outcome(answer, victim) == uncut
    assert world.proxy.cuts == 2 * ONE_CUT


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("do", ENDINGS)
async def test_who_asks_again_after_a_503_completes_what_was_lost(
    world: World,
    do: Doing,
    moment: Moment,
) -> None:
    victim, elsewhere = await world.people()
    uncut = await world.outcome(await do(world.worker, victim, elsewhere), victim)
    victim, elsewhere = await world.people()
    world.proxy.cut_next(moment, times=CUT_AGAIN)
    assert problem(await do(world.worker, victim, elsewhere)) == "service-unavailable"
    answer = await do(world.worker, victim, elsewhere)
    assert await world.outcome(answer, victim) == uncut
    assert world.proxy.cuts == CUT_AGAIN


async def test_in_a_cluster_every_script_finds_its_keys_in_one_slot(
    database_url: str,
    engine: AsyncEngine,
) -> None:
    settings = {"SESSIONS_PER_USER": str(CAP), "REFRESH_GRACE_SECONDS": "0"}
    with redis_cluster() as servers:
        # Not in this process, where scripts read the clock of the tests from another slot.
        async with workers_on(database_url, servers.url, count=2, **settings) as workers:
            one, two = workers.clients
            world = World(one, two, CuttingProxy(0), engine)
            for do in ENDINGS:
                victim, elsewhere = await world.people()
                answer = await do(world.worker, victim, elsewhere)
                outcome = await world.outcome(answer, victim)
                assert outcome.history[-1][0] == "session-ended", do
