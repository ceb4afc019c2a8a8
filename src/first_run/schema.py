"""Bring the database's tables up to this version of the code."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from src.core.db import build_engine, is_outage
from src.first_run.failures import DatabaseUnavailable
from src.first_run.private_files import only_one_in

PROJECT: Final = Path(__file__).parents[2]
ALEMBIC_INI: Final = PROJECT / "alembic.ini"
MIGRATIONS: Final = PROJECT / "alembic" / "versions"  # each begins with its number, four digits
MIGRATION_LOCK: Final = 0x4C61_7463_686B_6579  # "Latchkey": the same number in every replica
LOCK_ATTEMPTS: Final = 300
LOCK_POLL_SECONDS: Final = 0.2


def migrate(database_url: str) -> None:
    """Apply every migration that the database lacks. Replicas that start together take turns.

    Raises: `DatabaseUnavailable`.
    """
    with failures_explained(database_url), _file_turn(database_url):
        asyncio.run(_migrate(database_url))


def require_current(database_url: str) -> None:
    """Raises: `DatabaseUnavailable` when it does not answer or lacks a migration."""
    with failures_explained(database_url):
        current = asyncio.run(_is_current(database_url))
    if not current:
        raise DatabaseUnavailable(
            f"The database {_shown(database_url)} lacks tables of this version: nothing can be "
            "stored there. Run: python -m src.cli migrate"
        )


@contextmanager
def failures_explained(database_url: str) -> Iterator[None]:
    """Raises: `DatabaseUnavailable` in place of what the drivers raise."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        raise DatabaseUnavailable(
            f"The database does not answer at {_shown(database_url)}: accounts live there "
            f"({_first_line(error)}). Start it, or set DATABASE_URL."
        ) from error


async def _migrate(database_url: str) -> None:
    async with _connection(database_url) as connection:
        if connection.dialect.name == "postgresql":
            await _take_turn(connection)
        if await connection.run_sync(_has_all):
            return
        await connection.rollback()  # else SQLite's file would stay locked
        # Alembic's own env.py runs an event loop, so it needs a thread without one.
        await asyncio.to_thread(_upgrade, database_url)


def _upgrade(database_url: str) -> None:
    """Raises: `DatabaseUnavailable` when Alembic refuses."""
    # Nobody else needs it: it takes 8 MiB and a tenth of a start.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    from alembic import command  # noqa: PLC0415

    config = Config(str(ALEMBIC_INI), attributes={"database_url": database_url})
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseUnavailable(
            f"The database {_shown(database_url)} cannot be migrated: {error}. It may belong to a "
            "newer Latchkey. Bring this folder up to date, or set DATABASE_URL."
        ) from error


@contextmanager
def _file_turn(database_url: str) -> Iterator[None]:
    """On SQLite, whose migrations are no transaction, one process of this machine at a time."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        yield
        return
    folder = Path(url.database).parent
    folder.mkdir(parents=True, exist_ok=True)
    with only_one_in(folder):
        yield


async def _take_turn(connection: AsyncConnection) -> None:
    """Wait for the lock, which goes with the connection. Polled, for commands have a time limit."""
    take = text("SELECT pg_try_advisory_lock(:lock)").bindparams(lock=MIGRATION_LOCK)
    for _ in range(LOCK_ATTEMPTS):
        if await connection.scalar(take):
            return
        await asyncio.sleep(LOCK_POLL_SECONDS)
    raise DatabaseUnavailable("Another process has been migrating the database for a minute.")


async def _is_current(database_url: str) -> bool:
    async with _connection(database_url) as connection:
        return await connection.run_sync(_has_all)


def _has_all(connection: Connection) -> bool:
    """Whether the newest of our migrations is the last that was applied."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    applied = connection.scalars(text("SELECT version_num FROM alembic_version")).all()
    return applied == [max(file.name for file in MIGRATIONS.glob("*.py"))[:4]]


@asynccontextmanager
async def _connection(database_url: str) -> AsyncIterator[AsyncConnection]:
    engine = build_engine(database_url)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def _shown(database_url: str) -> str:
    return make_url(database_url).render_as_string(hide_password=True)


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    lines = str(cause).splitlines() or [type(cause).__name__]
    return lines[0]
