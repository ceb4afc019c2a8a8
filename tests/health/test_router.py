"""Liveness and readiness, with a real Redis and databases that answer, freeze and are not there."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from src.app import create_app
from tests.conftest import make_settings, running
from tests.factories import problem
from tests.servers import RedisServer, running_redis

GENEROUS_SECONDS = 20.0  # far over the promised half a second, under any driver's own limit


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that a test may freeze without disturbing the others."""
    with running_redis() as server:
        yield server


@pytest.fixture
async def silent_database() -> AsyncIterator[str]:
    """The URL of a database that accepts connections and never says a word."""
    hold = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://latchkey:hunter2@127.0.0.1:{port}/latchkey"
    hold.set()
    server.close()


def sqlite_in(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/health.db"


async def ask(database_url: str, redis_url: str, path: str) -> tuple[httpx.Response, float]:
    """One answer of an application on these stores, and the seconds that it took."""
    settings = make_settings(DATABASE_URL=database_url, REDIS_URL=redis_url)
    async with running(create_app(settings)) as client:
        started = time.monotonic()
        response = await client.get(path)
        return response, time.monotonic() - started


async def test_a_process_whose_stores_answer_is_ready(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "redis": "ok"}


async def test_a_process_without_any_store_is_alive(silent_database: str) -> None:
    response, _ = await ask(silent_database, "unix:///nowhere/redis.sock", "/healthz")

    assert response.status_code == 200
    assert response.json() == {"status": "alive"}


async def test_a_frozen_redis_is_named_within_time_and_forgiven_afterwards(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    settings = make_settings(DATABASE_URL=sqlite_in(tmp_path), REDIS_URL=own_redis.url)
    async with running(create_app(settings)) as client:
        assert (await client.get("/readyz")).status_code == 200
        own_redis.process.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        frozen = await client.get("/readyz")
        seconds = time.monotonic() - started
        own_redis.process.send_signal(signal.SIGCONT)
        thawed = await client.get("/readyz")

    assert frozen.status_code == 503
    assert problem(frozen) == "service-unavailable"
    assert frozen.json()["detail"] == "Redis does not answer."
    assert [error["pointer"] for error in frozen.json()["errors"]] == ["/redis"]
    assert frozen.headers["retry-after"]
    assert seconds < GENEROUS_SECONDS
    assert thawed.status_code == 200


async def test_a_silent_database_is_named_within_time(
    own_redis: RedisServer, silent_database: str
) -> None:
    response, seconds = await ask(silent_database, own_redis.url, "/readyz")

    assert response.status_code == 503
    assert problem(response) == "service-unavailable"
    assert response.json()["detail"] == "The database does not answer."
    assert [error["pointer"] for error in response.json()["errors"]] == ["/database"]
    assert "hunter2" not in response.text
    assert seconds < GENEROUS_SECONDS


async def test_both_are_named_when_both_are_away(silent_database: str) -> None:
    response, _ = await ask(silent_database, "unix:///nowhere/redis.sock", "/readyz")

    assert response.status_code == 503
    assert response.json()["detail"] == "Neither the database nor Redis answers."
    assert {error["pointer"] for error in response.json()["errors"]} == {"/database", "/redis"}
