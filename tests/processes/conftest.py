"""Fixtures: two worker processes on one Redis and one database, of either kind."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.processes.workers import (
    Worker,
    Workers,
    clients_of,
    server_environment,
    worker_processes,
)
from tests.servers import RedisServer


@pytest.fixture(scope="session")
def two_workers(database_url: str, redis_server: RedisServer) -> Iterator[list[Worker]]:
    environment = server_environment(database_url=database_url, redis_url=redis_server.url)
    with worker_processes(2, environment) as workers:
        yield workers


@pytest.fixture
async def pair(two_workers: list[Worker]) -> AsyncIterator[Workers]:
    """Two processes with fast hashing; every test that uses it runs on SQLite and PostgreSQL."""
    async with clients_of(two_workers) as workers:
        yield workers
