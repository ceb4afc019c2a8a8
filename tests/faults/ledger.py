"""What clients were told, request by request, while something fails."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import httpx

from tests.factories import Person, problem, refresh, sign_up
from tests.faults.figures import spread
from tests.processes.workers import Workers, server_environment, worker_processes
from tests.processes.workers import clients_of as connected

PATIENCE_SECONDS = 0.05


class Ledger:
    """One session: its tokens in their order, and what was answered to each of them."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.current = person.refresh_token
        self.rotations = 0
        self.waits: list[float] = []  # seconds until each 503
        self.successors: dict[str, set[str]] = {}

    def note(self, presented: str, response: httpx.Response, seconds: float) -> None:
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            assert problem(response) == "service-unavailable"
            assert int(response.headers["retry-after"]) >= 1
            self.waits.append(seconds)
            return
        assert response.status_code == httpx.codes.OK, response.text
        successor = response.json()["refresh_token"]
        self.successors.setdefault(presented, set()).add(successor)
        self.current = successor
        self.rotations += 1

    async def refresh(self, client: httpx.AsyncClient, refresh_token: str) -> httpx.Response:
        started = time.perf_counter()
        response = await refresh(client, refresh_token)
        self.note(refresh_token, response, time.perf_counter() - started)
        return response

    async def keep_refreshing(
        self,
        workers: Workers,
        is_over: Callable[[], bool],
        *,
        pause_seconds: float,
    ) -> None:
        """Refresh, now and then twice as after a lost answer, and be patient with a 503."""
        while not is_over():
            await asyncio.sleep(pause_seconds)
            presented = self.current
            response = await self.refresh(workers.next, presented)
            if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                await asyncio.sleep(PATIENCE_SECONDS)
            elif random.random() < 0.25:
                await self.refresh(workers.next, presented)


@asynccontextmanager
async def workers_on(
    database_url: str,
    redis_url: str,
    *,
    count: int,
    **changes: str,
) -> AsyncIterator[Workers]:
    """Server processes of their own."""
    environment = server_environment(database_url=database_url, redis_url=redis_url, **changes)
    with worker_processes(count, environment) as processes:
        async with connected(processes) as workers:
            yield workers


async def sign_up_many(workers: Workers, count: int) -> list[Ledger]:
    return [Ledger(await sign_up(workers.next)) for _ in range(count)]


@asynccontextmanager
async def under_load(
    workers: Workers,
    ledgers: Iterable[Ledger],
    *,
    pause_seconds: float = 0.0,
) -> AsyncIterator[None]:
    """Every session is refreshed again and again while the block runs.

    Raises: ExceptionGroup, at once, with what a session was answered wrongly.
    """
    over = asyncio.Event()
    async with asyncio.TaskGroup() as traffic:
        for one in ledgers:
            traffic.create_task(
                one.keep_refreshing(workers, over.is_set, pause_seconds=pause_seconds)
            )
        try:
            yield
        finally:
            over.set()


async def expect_all_go_on(workers: Workers, ledgers: Iterable[Ledger]) -> None:
    """No session ended that nobody ended, and none has two successors of one token."""
    for ledger in ledgers:
        assert (await ledger.refresh(workers.next, ledger.current)).status_code == httpx.codes.OK
        assert all(len(successors) == 1 for successors in ledger.successors.values())


def figures(ledgers: Iterable[Ledger]) -> str:
    """For the table."""
    waits = [seconds for ledger in ledgers for seconds in ledger.waits]
    rotations = sum(ledger.rotations for ledger in ledgers)
    forks = sum(len(s) > 1 for ledger in ledgers for s in ledger.successors.values())
    answered = f" ({spread(waits)})" if waits else ""
    return f"{rotations} rotations, {forks} double spends, {len(waits)} × 503{answered}"
