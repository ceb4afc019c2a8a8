"""`client` commands: what they print, and what they do to the database."""

import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from src.first_run.failures import ExitCode
from tests.conftest import REPOSITORY
from tests.first_run.processes import command

# One process for all of them: to start it takes longer than what they do.
IN_ONE_PROCESS = """
import json, sys
from typer.testing import CliRunner
from src.cli import app
from src.first_run.schema import migrate

def client(*arguments):
    done = CliRunner().invoke(app, ["client", *arguments])
    return {"exit_code": done.exit_code, "stdout": done.stdout, "stderr": done.stderr}

migrate(sys.argv[1])
made = client("create", "crm sync", "--customer-id", "42")
client_id = made["stdout"].split()[1]
print(json.dumps({
    "id": client_id,
    "made": made,
    "asking": client("create", "gateway", "--introspect"),
    "listed": client("list"),
    "renewed": client("new-secret", client_id),
    "disabled": client("disable", client_id),
    "again": client("disable", client_id),
    "unknown": client("new-secret", "nobody"),
    "useless": client("create", "x"),
    "strange": client("create", "x", "--customer-id", "a b"),
    "unprintable": client("create", "a\\nb", "--introspect"),
    "listed_at_last": client("list"),
}))
"""
SECRET = re.compile(r"^client_secret  (lks_[A-Za-z0-9_-]{43})$", re.MULTILINE)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('clients')}/clients.db"


@pytest.fixture(scope="module")
def outcome(database: str) -> dict[str, Any]:
    """What each command ended with, in the order of the script."""
    done = command(
        REPOSITORY,
        "-c",
        IN_ONE_PROCESS,
        database,
        DATABASE_URL=database,
        JWT_SECRET_KEY=secrets.token_urlsafe(48),
        JWT_REFRESH_SECRET_KEY=secrets.token_urlsafe(48),
    )
    assert done.returncode == ExitCode.OK, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_client_is_made_with_an_id_and_a_secret(outcome: dict[str, Any]) -> None:
    made = outcome["made"]
    assert made["exit_code"] == ExitCode.OK
    assert re.fullmatch(
        r"client_id      [0-9a-f-]{36}\nclient_secret  lks_\S{43}\n", made["stdout"]
    )
    assert '"event": "client-changed"' in made["stderr"]


def test_the_list_says_what_each_is_for_and_no_secret(outcome: dict[str, Any]) -> None:
    crm, gateway = outcome["listed"]["stdout"].splitlines()
    assert crm.startswith(outcome["id"])
    assert crm.endswith("crm sync (customer 42)")
    assert gateway.endswith("gateway (no customer, introspects)")
    assert [line.split()[1] for line in (crm, gateway)] == ["active", "active"]
    assert "lks_" not in outcome["listed"]["stdout"]
    assert outcome["listed_at_last"]["stdout"].split()[1] == "disabled"


def test_a_secret_is_shown_once_and_stored_nowhere(outcome: dict[str, Any], database: str) -> None:
    first, second = (SECRET.findall(outcome[name]["stdout"])[0] for name in ("made", "renewed"))
    assert first != second
    stored = Path(database.partition("///")[2]).read_bytes()
    told = "".join(outcome[name]["stderr"] for name in ("made", "renewed"))
    for secret in (first, second):
        assert secret.encode() not in stored
        assert secret not in told


def test_what_cannot_be_is_refused_with_a_sentence(outcome: dict[str, Any]) -> None:
    for name, message in {
        "again": "No client has this id, or it is disabled.",
        "unknown": "No client has this id, or it is disabled.",
        "useless": "say --customer-id ID, --introspect, or both",
        "strange": "A customer's id is",
        "unprintable": "A name is",
    }.items():
        assert outcome[name]["exit_code"] == ExitCode.REFUSED, name
        assert outcome[name]["stdout"] == ""
        assert message in outcome[name]["stderr"]
