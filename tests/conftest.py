"""Fixtures: the application as it is, on a real Redis, a real PostgreSQL and a real SQLite."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.config import Config
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy import delete, make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send

import src.core.redis_scripts as core_redis_scripts
from alembic import command
from src.app import create_app
from src.core.db import build_engine
from src.core.settings import Settings
from src.tables import metadata
from tests.canaries import (
    REDIS_KEEPS_ALL,
    expect_no_secret_in,
    logging_no_secret,
    without_passwords,
)
from tests.faults import figures
from tests.servers import RedisServer, running_postgresql, running_redis

TIME_CALL = "redis.call('TIME')"
OFFSET_KEY = "test:seconds-passed"
REPOSITORY = Path(__file__).parent.parent

PassTime = Callable[[timedelta], Awaitable[None]]


class MovableClock:
    """The application's clock and, through one patched line, that of its Lua scripts."""

    def __init__(self) -> None:
        self.passed = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.passed


@pytest.fixture(scope="session", autouse=True)
def _scripts_on_a_movable_clock() -> Iterator[None]:
    """Redis has one clock, TIME. Tests add to what it says; all else of the scripts is as it is."""
    original = core_redis_scripts.script_source

    def with_offset(package: str, name: str) -> str:
        moved = f"redis.call('GET', '{OFFSET_KEY}') or 0"
        source = original(package, name)
        return source.replace(
            f"local t = {TIME_CALL}",
            f"local t = {TIME_CALL}; t[1] = t[1] + ({moved})",
        )

    core_redis_scripts.script_source = with_offset
    yield
    core_redis_scripts.script_source = original


@pytest.fixture(scope="session", autouse=True)
def _no_secret_is_logged() -> Iterator[None]:
    with logging_no_secret():
        yield


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with running_redis(*REDIS_KEEPS_ALL) as server:
        yield server
        expect_no_secret_in(server.socket.parent)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with running_postgresql() as url:
        yield url
        expect_no_secret_in(Path(str(make_url(url).query["host"])))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that are marked `one_database` run on SQLite alone."""
    repeated = [item for item in items if _is_a_needless_repetition(item)]
    config.hook.pytest_deselected(items=repeated)
    items[:] = [item for item in items if item not in repeated]


def _is_a_needless_repetition(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    marked = item.get_closest_marker("one_database") is not None
    return marked and callspec is not None and callspec.params.get("database_url") == "postgresql"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What fault runs measured, as one table."""
    figures.show(terminalreporter)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A migrated database; every test that uses it runs on both kinds."""
    folder = tmp_path_factory.mktemp("db")
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{folder}/test.db"
    else:
        url = request.getfixturevalue("postgresql_url")
    migrate(url, "head")
    yield url
    expect_no_secret_in(folder)


def migrate(url: str, revision: str) -> None:
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = url
    try:
        command.upgrade(Config(REPOSITORY / "alembic.ini"), revision)
    finally:
        if before is None:
            del os.environ["DATABASE_URL"]
        else:
            os.environ["DATABASE_URL"] = before


def make_settings(**changes: Any) -> Settings:
    """Settings for a test: fast hashing, random keys, nothing from a `.env`."""
    values: dict[str, Any] = {
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_REFRESH_SECRET_KEY": secrets.token_urlsafe(48),
        "SERVICE_TOKEN_SECRET": secrets.token_urlsafe(48),
        "BETTER_AUTH_SECRET": secrets.token_urlsafe(48),
        "JWT_KEYS_FILE": "no such file",  # what a developer's own server uses is not ours
        "BCRYPT_ROUNDS": 4,
        "RATE_LIMITS": "on" if changes.get("ENVIRONMENT") == "production" else "off",
        **changes,
    }
    return Settings(_env_file=None, **values)


@pytest.fixture(scope="session")
def settings(database_url: str, redis_server: RedisServer) -> Settings:
    return make_settings(DATABASE_URL=database_url, REDIS_URL=redis_server.url)


@pytest.fixture(scope="session")
def session_clock() -> MovableClock:
    return MovableClock()


class WithState:
    """What a server does and httpx does not: hand the lifespan's state to every request."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(self.state)
        await self.app(scope, receive, without_passwords(send))


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app, which is started and stopped around it."""
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(WithState(app, dict(state or {})))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


@pytest.fixture(scope="session")
def app(settings: Settings, session_clock: MovableClock) -> FastAPI:
    return create_app(settings, clock=session_clock)


@pytest.fixture(scope="session")
async def session_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as client:
        yield client


@pytest.fixture(scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = build_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """The tests' own connection to the application's Redis, empty at the start."""
    client = Redis.from_url(redis_server.url, decode_responses=True)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def client(
    session_client: httpx.AsyncClient,
    redis: Redis,
    engine: AsyncEngine,
    session_clock: MovableClock,
) -> httpx.AsyncClient:
    """The application on empty stores."""
    assert not await redis.dbsize()
    session_clock.passed = timedelta()
    async with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(delete(table))
    session_client.cookies.clear()
    return session_client


@pytest.fixture
def pass_time(client: httpx.AsyncClient, redis: Redis, session_clock: MovableClock) -> PassTime:  # noqa: ARG001
    """Let time pass for the application and for its scripts in Redis."""

    async def pass_(duration: timedelta) -> None:
        session_clock.passed += duration
        await redis.set(OFFSET_KEY, int(session_clock.passed.total_seconds()))

    return pass_
