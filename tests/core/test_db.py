"""How databases are spoken to: what libpq's parameters mean here, and how SQLite is set up."""

import pytest
from sqlalchemy import make_url, text

from src.core.db import SQLITE_BUSY_MILLISECONDS, build_engine


@pytest.mark.parametrize("sslmode", ["disable", "allow", "prefer"])
async def test_postgresql_is_reached_by_a_url_as_libpq_knows_it(
    postgresql_url: str,
    sslmode: str,
) -> None:
    url = make_url(postgresql_url).set(drivername="postgresql")
    with_modes = url.update_query_dict({"sslmode": sslmode, "channel_binding": "prefer"})
    engine = build_engine(with_modes.render_as_string(hide_password=False))
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()


async def test_every_connection_to_sqlite_waits_for_others_and_keeps_references(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("sqlite") / "made" / "when missing"
    engine = build_engine(f"sqlite:///{folder}/a.db")
    async with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
            assert await connection.scalar(text("PRAGMA busy_timeout")) == SQLITE_BUSY_MILLISECONDS
    await engine.dispose()


def test_another_kind_of_database_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="postgresql:// or sqlite://"):
        build_engine("mysql://localhost/latchkey")
