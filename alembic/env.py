"""Alembic's environment: which database it changes, and which tables that should have.

The database is the one of DATABASE_URL, from the environment or from `.env`. No other setting is
read: migrations need no secrets. Programs may name another in `Config.attributes["database_url"]`.
"""

import asyncio
from typing import Any, Literal

from alembic.util import CommandError
from sqlalchemy import Connection, TypeDecorator
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine

from alembic import context
from src.core.db import build_engine
from src.core.settings import Settings, raw_setting
from src.tables import metadata


def _database_url() -> str:
    named = context.config.attributes.get("database_url") or raw_setting("DATABASE_URL")
    return str(named or Settings.model_fields["DATABASE_URL"].default)


def _engine() -> AsyncEngine:
    try:
        return build_engine(_database_url(), command_seconds=None)
    except (ValueError, ArgumentError) as error:
        raise CommandError(
            "DATABASE_URL names no database. Set it to one such as "
            "postgresql://user:password@host/name or sqlite:///path",
        ) from error


def _render_plainly(kind: str, item: object, _: object) -> str | Literal[False]:
    """Our own column types as the database's: a migration must not change along with our code."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    return False


def _configure(**target: Any) -> None:  # noqa: ANN401 - Alembic's own options
    context.configure(
        **target,
        target_metadata=metadata,
        compare_type=True,
        render_as_batch=True,  # SQLite alters a table by building it anew
        render_item=_render_plainly,
    )


def _print_sql() -> None:
    """`alembic upgrade head --sql`: the statements, without a connection."""
    dialect = _engine().dialect.name
    _configure(dialect_name=dialect, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        # To drop a table that is built anew would delete, by cascade, what refers to it.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.commit()
    _configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def _migrate_database() -> None:
    engine = _engine()
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    _print_sql()
else:
    asyncio.run(_migrate_database())
