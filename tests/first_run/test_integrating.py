"""docs/integrating.md: every command of the five situations, run as it is printed."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.first_run.processes import clean_environment, running_server

BLOCKS = re.compile(
    r"^```bash\n(# before the start|# while it runs).*?\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
SESSION_TOKEN = "a" * 32
BETTER_AUTH_TABLES = """
CREATE TABLE "user" (id text PRIMARY KEY, name text, email text, "emailVerified" integer);
CREATE TABLE session (
    id text PRIMARY KEY, token text, "userId" text, "expiresAt" text,
    "ipAddress" text, "userAgent" text
);
INSERT INTO "user" VALUES ('u1', 'Kim', 'kim@example.com', 1);
"""
SIGN_IN = "INSERT INTO session VALUES ('s1', ?, 'u1', '2999-01-01T00:00:00.000Z', NULL, NULL)"


def commands(moment: str) -> str:
    page = (REPOSITORY / "docs/integrating.md").read_text()
    return "\n".join(block for when, block in BLOCKS.findall(page) if when == moment)


def run(project: Path, script: str, **environment: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=project,
        env=clean_environment(PATH=path, **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sign_in_at_better_auth(project: Path) -> None:
    with sqlite3.connect(project / ".local" / "latchkey.db") as database:
        database.executescript(BETTER_AUTH_TABLES)
        database.execute(SIGN_IN, [SESSION_TOKEN])
    database.close()


@pytest.mark.faults
def test_the_five_situations_work_as_they_are_printed(project: Path) -> None:
    run(project, "python -m src.cli secrets generate\n" + commands("# before the start"))
    with running_server(project, BCRYPT_ROUNDS="4") as server:
        sign_in_at_better_auth(project)
        said = run(
            project,
            commands("# while it runs"),
            BASE=server.base,
            SESSION_TOKEN=SESSION_TOKEN,
        )
    assert [line[:2] for line in said.splitlines() if line[:1].isdigit()] == [
        "1.", "2.", "3.", "4.", "5.",
    ]  # fmt: skip
