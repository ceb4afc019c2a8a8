"""Reads Better Auth's `user` and `session` tables, however its adapters laid them out.

Column names are Better Auth's own (`"expiresAt"`) or the Drizzle generator's (`expires_at`). Times
have a zone or not, or are the text or integers of SQLite: they are compared in Python and not in
SQL, where a time without a zone means another one on every server. Nothing is ever written.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    cast,
    inspect,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, NoSuchTableError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import NullType

from src.core.db import build_engine, is_outage
from src.core.errors import ServiceUnavailable
from src.issuers.better_auth_models import ActiveSession, BetterAuthUser

MOST_SESSIONS: Final = 100
# An integer beyond this counts milliseconds (from March 1973 on), not seconds (to the year 5138).
MOST_SECONDS: Final = 100_000_000_000

# Our name for a column, and theirs.
_USER_COLUMNS: Final = {"id": ("id",), "email": ("email",), "name": ("name",)}
_SESSION_COLUMNS: Final = {
    "id": ("id",),
    "token": ("token",),
    "user_id": ("userId", "user_id"),
    "expires_at": ("expiresAt", "expires_at"),
    "ip_address": ("ipAddress", "ip_address"),
    "user_agent": ("userAgent", "user_agent"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A session, expired or not, and whose it is; either may be missing."""

    user: BetterAuthUser | None
    session: ActiveSession | None


class BetterAuthStore:
    """What Better Auth's database says at this moment."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._tables: _Tables | None = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["Reader"]:
        """A transaction that only reads.

        Raises: `ServiceUnavailable` when the database is away or is not Better Auth's.
        """
        try:
            async with self._engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    await connection.execution_options(postgresql_readonly=True)
                if self._tables is None:
                    self._tables = await connection.run_sync(_Tables)
                yield Reader(connection, self._tables)
        except Exception as error:
            # Whatever their database refuses, a role or a column, is not the token's fault.
            if is_outage(error) or isinstance(error, (NoSuchTableError, DBAPIError)):
                self._tables = None  # looked at afresh: a migration may have come
                raise ServiceUnavailable(cause=f"better auth: {_kind_of(error)}") from error
            raise


def _kind_of(error: Exception) -> str:
    """For the log: PostgreSQL's SQLSTATE says more than the driver's class."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__


class _Tables:
    """The two tables, their columns under our names and without types."""

    def __init__(self, connection: Connection) -> None:
        """Raises: NoSuchTableError; `ServiceUnavailable` for a column that is not there."""
        self.users = _described(connection, "user", _USER_COLUMNS)
        self.sessions = _described(connection, "session", _SESSION_COLUMNS)
        # Ids may be uuid or integers there, and are text in tokens. SQLite compares them as it is.
        self._ids_are_typed = connection.dialect.name != "sqlite"

    def id_is(self, table: Table, text: str) -> ColumnElement[bool]:
        return (cast(table.c.id, Text) if self._ids_are_typed else table.c.id) == text

    def selected(self) -> Select[Any]:
        users, sessions = self.users.c, self.sessions.c
        return select(
            users.id.label("user_id"),
            users.email.label("email"),
            users.name.label("name"),
            sessions.id.label("session_id"),
            sessions.expires_at.label("expires_at"),
            sessions.ip_address.label("ip_address"),
            sessions.user_agent.label("user_agent"),
        )


def _described(connection: Connection, name: str, columns: Mapping[str, Sequence[str]]) -> Table:
    schema = "public" if connection.dialect.name == "postgresql" else None
    there = {found["name"] for found in inspect(connection).get_columns(name, schema=schema)}
    described = []
    for ours, spellings in columns.items():
        theirs = next((spelling for spelling in spellings if spelling in there), None)
        if theirs is None:
            raise ServiceUnavailable(cause=f"better auth: table {name} has no {spellings[0]}")
        described.append(Column(theirs, NullType(), key=ours))
    return Table(name, MetaData(), *described, schema=schema)


class Reader:
    """The questions, all within one transaction."""

    def __init__(self, connection: AsyncConnection, tables: _Tables) -> None:
        self._connection = connection
        self._tables = tables
        self._owned = tables.users.c.id == tables.sessions.c.user_id

    async def by_session_token(self, session_token: str) -> Found | None:
        return await self._session(self._tables.sessions.c.token == session_token)

    async def by_session_id(self, session_id: str) -> Found | None:
        return await self._session(self._tables.id_is(self._tables.sessions, session_id))

    async def by_user_id(self, user_id: str) -> list[Found]:
        return await self._user(self._tables.id_is(self._tables.users, user_id))

    async def by_email(self, email: str) -> list[Found]:
        return await self._user(self._tables.users.c.email == email)

    async def _session(self, condition: ColumnElement[bool]) -> Found | None:
        pairs = self._tables.sessions.outerjoin(self._tables.users, self._owned)
        query = self._tables.selected().select_from(pairs).where(condition)
        row = (await self._connection.execute(query)).one_or_none()
        return _found(row) if row else None

    async def _user(self, condition: ColumnElement[bool]) -> list[Found]:
        """A user with each of their sessions, the longest-lived first, or with none."""
        pairs = self._tables.users.outerjoin(self._tables.sessions, self._owned)
        query = (
            self._tables.selected()
            .select_from(pairs)
            .where(condition)
            .order_by(self._tables.sessions.c.expires_at.desc())
            .limit(MOST_SESSIONS)
        )
        return [_found(row) for row in await self._connection.execute(query)]


def _found(row: Row[Any]) -> Found:
    user = session = None
    if row.user_id is not None:
        user = BetterAuthUser(id=str(row.user_id), email=row.email, name=row.name or "")
    if row.session_id is not None:
        session = ActiveSession(
            id=str(row.session_id),
            expires_at=as_utc(row.expires_at),
            ip_address=row.ip_address,
            user_agent=row.user_agent,
        )
    return Found(user, session)


def as_utc(stored: object) -> datetime:
    """A time as any of Better Auth's adapters stores it. Without a zone it is UTC.

    Raises: `ServiceUnavailable` for what is no time.
    """
    try:
        match stored:
            case datetime():
                time = stored
            case str():
                time = datetime.fromisoformat(stored)
            case int() | float():
                seconds = stored if stored < MOST_SECONDS else stored / 1000
                time = datetime.fromtimestamp(seconds, UTC)
            case _:
                raise ValueError("neither a time, text nor a number")  # noqa: TRY301
    except (ValueError, OverflowError, OSError) as error:
        raise ServiceUnavailable(cause="better auth: expiresAt is no time") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def build_reading_engine(url: str) -> AsyncEngine:
    """An engine for a database that is Better Auth's alone; a SQLite file is opened to read only.

    Raises: ValueError for a database of another kind.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return build_engine(url)
    # The journal mode of the file is its owner's business, so not an engine of `core.db`.
    path = Path(parsed.database or "").absolute().as_uri()
    read_only = parsed.set(
        drivername="sqlite+aiosqlite", database=path, query={"mode": "ro", "uri": "true"}
    )
    return create_async_engine(read_only, hide_parameters=True)
