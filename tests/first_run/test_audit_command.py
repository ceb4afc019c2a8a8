"""`audit verify`: says that the history is whole, or which row is not."""

import asyncio
import sqlite3
import subprocess
from pathlib import Path

import pytest

from src.auth.store import events
from src.auth.store.events import GENESIS, NewEvent
from src.core.clock import utc_now
from src.core.db import build_engine, build_sessionmaker
from src.first_run.failures import ExitCode
from tests.conftest import migrate
from tests.first_run.processes import cli

ROWS = 3


def verify(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return cli(project, "audit", "verify", *options)


def head_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == ExitCode.OK, done.stderr
    return done.stdout.split()[-1]


@pytest.fixture(scope="module")
def migrated(shared_project: Path) -> Path:
    (shared_project / ".local").mkdir(exist_ok=True)
    migrate(f"sqlite:///{shared_project}/.local/latchkey.db", "head")
    return shared_project


def change(project: Path, statement: str) -> None:
    connection = sqlite3.connect(project / ".local" / "latchkey.db")
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.fixture
def with_history(migrated: Path) -> Path:
    async def fill() -> None:
        engine = build_engine(f"sqlite:///{migrated}/.local/latchkey.db")
        async with build_sessionmaker(engine)() as db:
            news = NewEvent(at=utc_now(), event="logged-in", outcome="success")
            await events.append(db, [news] * ROWS)
            await db.commit()
        await engine.dispose()

    change(migrated, "DELETE FROM auth_events")
    asyncio.run(fill())
    return migrated


@pytest.mark.faults
def test_an_empty_history_is_whole(migrated: Path) -> None:
    change(migrated, "DELETE FROM auth_events")
    assert verify(migrated).stdout == f"0 events, head {GENESIS}\n"


def test_a_whole_history_tells_its_length_and_head(with_history: Path) -> None:
    done = verify(with_history)
    assert done.stdout.startswith(f"{ROWS} events, head ")
    assert len(head_of(done)) == 64
    assert head_of(verify(with_history, "--expect-head", head_of(done))) == head_of(done)


@pytest.mark.faults
def test_the_first_bad_row_is_named_with_an_exit_code_of_its_own(with_history: Path) -> None:
    change(with_history, "UPDATE auth_events SET outcome = 'refused' WHERE seq = 2")
    done = verify(with_history)
    assert done.returncode == ExitCode.CHAIN_BROKEN
    assert done.stderr.startswith("Row 2 of auth_events is not what was written there")
    assert "Traceback" not in done.stderr


@pytest.mark.faults
def test_an_end_that_was_cut_off_is_found_by_a_head_noted_before(with_history: Path) -> None:
    noted = head_of(verify(with_history))
    change(with_history, f"DELETE FROM auth_events WHERE seq = {ROWS}")  # noqa: S608 - a constant
    assert verify(with_history).returncode == ExitCode.OK
    done = verify(with_history, "--expect-head", noted)
    assert done.returncode == ExitCode.CHAIN_BROKEN
    assert noted in done.stderr


@pytest.mark.faults
def test_a_database_without_tables_is_told_to_be_migrated(project: Path) -> None:
    done = verify(project)
    assert done.returncode == ExitCode.DATABASE
    assert "migrate" in done.stderr
