"""Fixtures: two worker processes on one Redis and one database, of either kind."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

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
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the two workers look for further keys: nowhere, until a test writes some."""
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="session")
def environment(database_url: str, redis_server: RedisServer, keys_file: Path) -> dict[str, str]:
    """That of the two workers, with their secrets."""
    return server_environment(
        database_url=database_url,
        redis_url=redis_server.url,
        JWT_KEYS_FILE=str(keys_file),
    )


@pytest.fixture(scope="session")
def two_workers(environment: dict[str, str]) -> Iterator[list[Worker]]:
    with worker_processes(2, environment) as workers:
        yield workers


@pytest.fixture
async def pair(two_workers: list[Worker]) -> AsyncIterator[Workers]:
    """Two processes with fast hashing; every test that uses it runs on SQLite and PostgreSQL."""
    async with clients_of(two_workers) as workers:
        yield workers
