"""All connections to the database held by others: those of our pool, and those of the server."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg
import httpx
import pytest
from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncEngine

from src.app import create_app
from tests.conftest import WithState, make_settings, migrate
from tests.factories import PASSWORD, new_email, problem, refresh, sign_up
from tests.faults.figures import note, spread
from tests.processes.people import logging_in, signing_up
from tests.processes.workers import statuses, timed
from tests.servers import RedisServer, running_postgresql

pytestmark = pytest.mark.faults

PROMISED_SECONDS = 1.0
REPEATS = 4
BURST = 300
FEW_CONNECTIONS = "max_connections = 10\n"


@dataclass
class Api:
    """The application in this process, and the engine whose connections a test may hold."""

    client: httpx.AsyncClient
    engine: AsyncEngine


@pytest.fixture
async def api(migrated_postgresql: str, redis_server: RedisServer) -> AsyncIterator[Api]:
    async with running_api(migrated_postgresql, redis_server) as started:
        yield started


@pytest.fixture
def migrated_postgresql(postgresql_url: str) -> str:
    migrate(postgresql_url, "head")
    return postgresql_url


@pytest.fixture
def small_postgresql() -> Iterator[str]:
    with running_postgresql(FEW_CONNECTIONS) as url:
        migrate(url, "head")
        yield url


@asynccontextmanager
async def running_api(database_url: str, redis_server: RedisServer) -> AsyncIterator[Api]:
    app = create_app(make_settings(DATABASE_URL=database_url, REDIS_URL=redis_server.url))
    async with app.router.lifespan_context(app) as started:
        state = dict(started or {})
        transport = httpx.ASGITransport(WithState(app, state))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield Api(client, state["sessionmaker"].kw["bind"])


@asynccontextmanager
async def all_held(engine: AsyncEngine) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        assert isinstance(engine.pool, QueuePool)
        for _ in range(engine.pool.size()):
            await stack.enter_async_context(engine.connect())
        yield


async def test_an_exhausted_pool_is_told_within_a_second(api: Api) -> None:
    person = await sign_up(api.client)
    refused: list[tuple[httpx.Response, float]] = []
    async with all_held(api.engine):
        for _ in range(REPEATS):
            refused += await asyncio.gather(
                timed(api.client.get("/auth/me", headers=person.authorization)),
                timed(logging_in(api.client, person)),
                timed(refresh(api.client, person.refresh_token)),
            )
        assert (await api.client.get("/healthz")).status_code == 200
    seconds = [each for _, each in refused]
    note(
        "pool exhausted",
        "503 within 1 s, other routes unaffected, normal at once when connections are back",
        f"503 after {spread(seconds)}",
    )
    for response, _ in refused:
        assert problem(response) == "service-unavailable"
        assert int(response.headers["retry-after"]) >= 1
    assert (await refresh(api.client, person.refresh_token)).status_code == 200
    assert statistics.median(seconds) <= PROMISED_SECONDS


async def test_a_burst_that_takes_longer_than_a_second_is_served(api: Api) -> None:
    person = await sign_up(api.client)
    ask = [api.client.get("/auth/me", headers=person.authorization) for _ in range(BURST)]
    assert statuses(await asyncio.gather(*ask)) == {200: BURST}


async def test_a_server_without_a_free_connection_is_told_at_once(
    small_postgresql: str, redis_server: RedisServer
) -> None:
    async with running_api(small_postgresql, redis_server) as api, AsyncExitStack() as others:
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                other = await asyncpg.connect(small_postgresql)
                others.push_async_callback(other.close)
        refused = [
            await timed(signing_up(api.client, email=new_email(), password=PASSWORD))
            for _ in range(REPEATS)
        ]
        await others.aclose()
        await sign_up(api.client)
    note(
        "PostgreSQL without a free connection",
        "503 within 1 s, normal when there is one",
        f"503 after {spread(seconds for _, seconds in refused)}",
    )
    assert [problem(response) for response, _ in refused] == ["service-unavailable"] * REPEATS
