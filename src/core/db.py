"""The database: engine, unit of work, and what counts as the database being away."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import DateTime, Dialect, TypeDecorator, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7 as new_id

from src.core.db_pool import PatientPool
from src.core.errors import ServiceUnavailable

__all__ = [
    "DbSession",
    "SessionMaker",
    "UtcDateTime",
    "build_engine",
    "build_sessionmaker",
    "get_db",
    "is_outage",
    "new_id",
    "unit_of_work",
]

SessionMaker = async_sessionmaker[AsyncSession]

# A client gets its 503 within five seconds. A frozen server is given up after one command, and two
# seconds more that SQLAlchemy takes for closing its connection.
CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 2.0
POOL_WAIT_SECONDS = 0.6
POOL_SIZE = 20
SQLITE_BUSY_MILLISECONDS = 5_000
# SQLite lets in one writer, and who waits for it polls, ever less often the longer it waits: among
# many it would give up in the end. In the pool they wait their turn.
SQLITE_POOL_SIZE = 2
SSL_PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey")  # of libpq, taken by ourselves
# SQLSTATE classes of PostgreSQL: connection lost, out of resources (connections, disk, memory),
# shutting down or starting up. asyncpg's dialect calls none of them an OperationalError.
OUTAGE_CLASSES = ("08", "53", "57")

# Constraints get names that migrations can refer to on both databases.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC on both databases; SQLite forgets the zone, so we restore it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def build_engine(
    database_url: str,
    *,
    command_seconds: float | None = COMMAND_SECONDS,
) -> AsyncEngine:
    """An engine for `postgresql://` (asyncpg) or `sqlite://` (aiosqlite), sized for one worker.

    PostgreSQL has `command_seconds` for each command; None is for those that may take long.
    Raises: ValueError for any other database.
    """
    url = make_url(database_url)
    if url.get_backend_name() in ("postgresql", "postgres"):
        return _postgresql_engine(url, command_seconds)
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    raise ValueError("DATABASE_URL must start with postgresql:// or sqlite:///")


def _postgresql_engine(url: URL, command_seconds: float | None) -> AsyncEngine:
    sslmode = url.query.get("sslmode")
    connect_args: dict[str, Any] = {"timeout": CONNECT_SECONDS, "command_timeout": command_seconds}
    if isinstance(sslmode, str):  # libpq's name; asyncpg takes the same values as `ssl`
        connect_args["ssl"] = _ssl_argument(sslmode, url)
    url = url.difference_update_query([*SSL_PARAMETERS, "channel_binding"])
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        connect_args=connect_args,
        poolclass=PatientPool,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        hide_parameters=True,  # an error's text holds the values, and ends in a log
    )


def _ssl_argument(sslmode: str, url: URL) -> str | ssl.SSLContext:
    root = url.query.get("sslrootcert")
    if sslmode in ("verify-ca", "verify-full") and isinstance(root, str):
        context = ssl.create_default_context(cafile=None if root == "system" else root)
        context.check_hostname = sslmode == "verify-full"
        certificate, key = url.query.get("sslcert"), url.query.get("sslkey")
        if isinstance(certificate, str):
            context.load_cert_chain(certificate, key if isinstance(key, str) else None)
        return context
    return sslmode


def _sqlite_engine(url: URL) -> AsyncEngine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        poolclass=PatientPool,
        pool_size=SQLITE_POOL_SIZE,
        max_overflow=0,
        # A writer of another process may hold up all of our connections for so long.
        pool_timeout=SQLITE_BUSY_MILLISECONDS / 1000,
        hide_parameters=True,  # an error's text holds the values, and ends in a log
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _set_pragmas(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own class
        cursor = connection.cursor()
        # Order matters: the busy timeout must hold already when WAL is switched on.
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MILLISECONDS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


def build_sessionmaker(engine: AsyncEngine) -> SessionMaker:
    return async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


def is_outage(error: BaseException) -> bool:
    """Whether an error means that the database is away, as opposed to our own mistake."""
    if isinstance(error, DBAPIError):
        return (
            error.connection_invalidated
            or isinstance(error, (OperationalError, InterfaceError))
            or str(getattr(error.orig, "sqlstate", "")).startswith(OUTAGE_CLASSES)
        )
    # asyncpg raises the bare OSError or TimeoutError while it connects.
    return isinstance(error, (PoolTimeoutError, OSError, TimeoutError))


@asynccontextmanager
async def unit_of_work(sessions: SessionMaker) -> AsyncIterator[AsyncSession]:
    """Committed when the block ends, rolled back on any exception.

    A connection is taken from the pool with the first statement only.
    Raises: `ServiceUnavailable` when the database is away.
    """
    async with sessions() as db:
        try:
            yield db
            await db.commit()
        except Exception as error:
            if is_outage(error):
                raise ServiceUnavailable(cause=f"database: {type(error).__name__}") from error
            raise


async def get_db(request: Request) -> AsyncIterator[AsyncSession]:
    """One unit of work for the request, committed before the response is sent."""
    async with unit_of_work(request.state.sessionmaker) as db:
        yield db


# scope="function": by default FastAPI would commit after the response is gone.
DbSession = Annotated[AsyncSession, Depends(get_db, scope="function")]
