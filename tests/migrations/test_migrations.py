"""Migrations: up, down and up again on both databases, and equal to the models."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic.config import CommandLine, Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, inspect, text
from sqlalchemy import table as light_table
from sqlalchemy.engine import make_url

from alembic import command
from src.core.clock import utc_now
from src.core.db import build_engine, new_id
from src.first_run.failures import DatabaseUnavailable
from src.first_run.schema import migrate, require_current
from src.tables import metadata
from tests.conftest import REPOSITORY

T = TypeVar("T")

TABLES = {
    "users", "chat_sessions", "chat_messages", "chat_requests", "anatomy_records", "auth_events",
    "service_clients", "memories", "external_identities", "support_threads", "support_items",
    "support_feedback",
}  # fmt: skip
WIDENS_EMAIL = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = {head!r}


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.alter_column("email", existing_type=sa.String(320), type_=sa.String(400))
"""


def on_connection(url: str, work: Callable[[Connection], T], **options: Any) -> T:
    """Do something on a connection of its own, and commit it."""

    async def connect() -> T:
        engine = build_engine(url).execution_options(**options)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    return asyncio.run(connect())


def tables(url: str) -> set[str]:
    return on_connection(url, lambda c: set(inspect(c).get_table_names())) - {"alembic_version"}


def names_of_constraints(connection: Connection) -> set[str]:
    seen = inspect(connection)
    return {
        str(constraint["name"])
        for table in TABLES
        for constraint in (
            seen.get_pk_constraint(table),
            *seen.get_foreign_keys(table),
            *seen.get_unique_constraints(table),
            *seen.get_indexes(table),
        )
    }


def length_of_email(connection: Connection) -> int:
    columns = inspect(connection).get_columns("users")
    return next(c["type"].length for c in columns if c["name"] == "email")  # type: ignore[attr-defined, no-any-return]


def add_a_person_with_a_conversation(connection: Connection) -> None:
    now = utc_now()
    user = {"id": new_id(), "email": "a", "email_key": "a", "password_hash": "-", "roles": []}
    defaults = {"email_verified": False, "is_active": True, "created_at": now}
    connection.execute(metadata.tables["users"].insert().values(**user, **defaults))
    session = {"id": new_id(), "user_id": user["id"], "title": "kept"}
    times = {"created_at": now, "updated_at": now}
    connection.execute(metadata.tables["chat_sessions"].insert().values(**session, **times))


def rows(url: str, select: str) -> list[tuple[Any, ...]]:
    return on_connection(url, lambda c: [tuple(row) for row in c.execute(text(select))])


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/empty.db"
    server: str = request.getfixturevalue("postgresql_url")
    name = f"migrations_{new_id().hex}"
    create = text(f"CREATE DATABASE {name}")
    on_connection(server, lambda c: c.execute(create) and None, isolation_level="AUTOCOMMIT")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def config(database_url: str, ini: Path = REPOSITORY / "alembic.ini") -> Config:
    made = Config(ini)
    made.attributes["database_url"] = database_url
    return made


def test_migrations_go_up_and_down_and_up_again(empty_database: str) -> None:
    migrations = config(empty_database)
    command.upgrade(migrations, "head")
    assert tables(empty_database) == TABLES == set(metadata.tables)
    command.downgrade(migrations, "base")
    assert tables(empty_database) == set()
    command.upgrade(migrations, "head")
    assert tables(empty_database) == TABLES


def test_each_migration_can_be_taken_back_alone(empty_database: str) -> None:
    migrations = config(empty_database)
    command.upgrade(migrations, "head")
    left = set(TABLES)
    for gone in (
        {"support_threads", "support_items", "support_feedback"},
        {"external_identities"},
        {"memories"},
        {"service_clients"},
        {"chat_requests"},
        {"auth_events"},
    ):
        command.downgrade(migrations, "-1")
        left -= gone
        assert tables(empty_database) == left
    command.downgrade(migrations, "-1")
    assert tables(empty_database) == {"users"}
    command.upgrade(migrations, "head")
    assert tables(empty_database) == TABLES


def test_a_migrated_database_is_what_the_models_say(empty_database: str) -> None:
    migrations = config(empty_database)
    command.upgrade(migrations, "head")
    command.check(migrations)


def test_a_migrated_database_has_the_constraints_of_the_models(empty_database: str) -> None:
    """Alembic's check does not look at the names of primary keys, nor at those of SQLite."""
    command.upgrade(config(empty_database), "head")
    expected = {
        "pk_users",
        "uq_users_email_key",
        "uq_users_username_key",
        "pk_chat_sessions",
        "fk_chat_sessions_user_id_users",
        "ix_chat_sessions_user_id_updated_at_id",
        "pk_chat_requests",
        "fk_chat_requests_user_id_users",
        "fk_chat_requests_session_id_chat_sessions",
        "ix_chat_requests_session_id",
        "pk_chat_messages",
        "fk_chat_messages_session_id_chat_sessions",
        "ix_chat_messages_session_id_id",
        "pk_anatomy_records",
        "fk_anatomy_records_user_id_users",
        "ix_anatomy_records_user_id_id",
        "ix_anatomy_records_user_id_part",
        "pk_auth_events",
        "ix_auth_events_user_id_seq",
        "ix_auth_events_session_id",
        "pk_service_clients",
        "pk_memories",
        "ix_memories_customer_id_user_id_id",
        "pk_external_identities",
        "fk_external_identities_user_id_users",
        "uq_external_identities_user_id",
        "pk_support_threads",
        "ix_support_threads_user_id_id",
        "pk_support_items",
        "fk_support_items_thread_id_support_threads",
        "ix_support_items_thread_id_id",
        "pk_support_feedback",
        "fk_support_feedback_item_id_support_items",
    }
    assert on_connection(empty_database, names_of_constraints) == expected


def test_a_table_that_is_changed_keeps_the_rows_that_refer_to_it(
    empty_database: str,
    tmp_path: Path,
) -> None:
    shutil.copy(REPOSITORY / "alembic.ini", tmp_path)
    shutil.copytree(REPOSITORY / "alembic", tmp_path / "alembic")
    migrations = config(empty_database, tmp_path / "alembic.ini")
    command.upgrade(migrations, "head")
    on_connection(empty_database, add_a_person_with_a_conversation)
    head = ScriptDirectory.from_config(migrations).get_current_head()
    later = tmp_path / "alembic" / "versions" / "9999_widens_email.py"
    later.write_text(WIDENS_EMAIL.format(head=head))
    command.upgrade(config(empty_database, tmp_path / "alembic.ini"), "head")
    assert on_connection(empty_database, length_of_email) == 400
    assert rows(empty_database, "SELECT title FROM chat_sessions") == [("kept",)]


def add_a_conversation_of_two_messages(connection: Connection) -> None:
    """With the columns of revision 0003."""
    now, user_id, session_id = utc_now(), new_id(), new_id()
    user = {"id": user_id, "email": "a", "email_key": "a", "password_hash": "-", "roles": []}
    defaults = {"email_verified": False, "is_active": True, "created_at": now}
    session = {"id": session_id, "user_id": user_id, "title": "t", "updated_at": now}
    messages = [{"id": new_id(), "session_id": session_id, "role": "user"} for _ in range(2)]
    for table, values in (
        ("users", {**user, **defaults}),
        ("chat_sessions", {**session, "created_at": now}),
        *(("chat_messages", {**each, "content": "c", "created_at": now}) for each in messages),
    ):
        columns = [column(c.name, c.type) for c in metadata.tables[table].c if c.name in values]
        connection.execute(light_table(table, *columns).insert().values(**values))


def test_conversations_of_the_version_before_are_counted(empty_database: str) -> None:
    command.upgrade(config(empty_database), "0003")
    on_connection(empty_database, add_a_conversation_of_two_messages)
    command.upgrade(config(empty_database), "head")
    assert rows(empty_database, "SELECT message_count FROM chat_sessions") == [(2,)]
    assert rows(empty_database, "SELECT id FROM chat_messages WHERE cut") == []


def run(
    *arguments: str,
    folder: Path = REPOSITORY,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder with this environment and nothing else of ours: without secrets."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def upgrade(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    ini = str(REPOSITORY / "alembic.ini")
    return run("-m", "alembic", "-c", ini, "upgrade", "head", folder=folder, **environment)


def alembic(*arguments: str) -> None:
    """`alembic ARGUMENT…`, in this process. Raises: SystemExit."""
    CommandLine(prog="alembic").main(["-c", str(REPOSITORY / "alembic.ini"), *arguments])


def test_the_database_is_that_of_the_environment_before_that_of_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DATABASE_URL=sqlite:///of-file.db\n")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///of-environment.db")
    alembic("upgrade", "head")
    assert not (tmp_path / "of-file.db").exists()
    monkeypatch.delenv("DATABASE_URL")
    alembic("upgrade", "head")
    for name in ("of-environment.db", "of-file.db"):
        assert tables(f"sqlite:///{tmp_path}/{name}") == TABLES


@pytest.mark.faults
def test_without_a_database_url_it_is_the_one_of_development(tmp_path: Path) -> None:
    assert upgrade(tmp_path).returncode == 0
    assert tables(f"sqlite:///{tmp_path}/.local/latchkey.db") == TABLES


@pytest.mark.faults
@pytest.mark.parametrize("url", ["mysql://localhost/x", "nonsense"])
def test_a_url_of_no_database_is_refused_with_what_to_do(tmp_path: Path, url: str) -> None:
    ran = upgrade(tmp_path, DATABASE_URL=url)
    assert ran.returncode != 0
    assert "Set it to one such as" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_statements_can_be_printed_without_a_database(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    alembic("upgrade", "head", "--sql")
    printed = capsys.readouterr().out
    assert "CREATE TABLE chat_messages" in printed
    assert "TIMESTAMP WITH TIME ZONE" in printed


def test_the_folder_of_migrations_does_not_shadow_the_library() -> None:
    assert not list((REPOSITORY / "alembic").rglob("__init__.py"))
    ran = run("-c", "import alembic; print(alembic.__file__)")
    assert "site-packages" in ran.stdout


def set_revision(url: str, revision: str) -> None:
    change = text("UPDATE alembic_version SET version_num = :revision")
    on_connection(url, lambda each: each.execute(change, {"revision": revision}))


def test_a_database_is_current_with_the_newest_migration_alone(empty_database: str) -> None:
    head = ScriptDirectory.from_config(config(empty_database)).get_current_head()
    with pytest.raises(DatabaseUnavailable, match="lacks tables"):
        require_current(empty_database)
    migrate(empty_database)
    require_current(empty_database)
    assert rows(empty_database, "SELECT version_num FROM alembic_version") == [(head,)]
    for other in ("0001", "9999"):
        set_revision(empty_database, other)
        with pytest.raises(DatabaseUnavailable, match="lacks tables"):
            require_current(empty_database)
    with pytest.raises(DatabaseUnavailable, match="may belong to a newer Latchkey"):
        migrate(empty_database)
