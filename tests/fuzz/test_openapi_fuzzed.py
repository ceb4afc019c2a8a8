"""The server keeps what its OpenAPI document promises, whatever is sent: Schemathesis tries.

`FUZZ_EXAMPLES=200 make test-faults` looks longer, `FUZZ_SEED=…` elsewhere. What is excused, and
why, is in hooks.py and schemathesis.toml.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.fuzz.targets import Target, target_on
from tests.processes.workers import report
from tests.servers import running_postgresql

pytestmark = pytest.mark.faults

SEED = os.environ.get("FUZZ_SEED", "20261121")
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "10"))
LONGEST_SECONDS = 60 * EXAMPLES
PEERS = ("ada", "bob")
TRIED = re.compile(r"(\d+) generated")
CONFIGURATION = REPOSITORY / "tests" / "fuzz" / "schemathesis.toml"


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Target]:
    with target_on(f"sqlite+aiosqlite:///{tmp_path}/fuzz.db", tmp_path) as target:
        yield target


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Target]:
    url = f"sqlite+aiosqlite:///{tmp_path}/fuzz.db"
    with target_on(url, tmp_path, RATE_LIMITS="on") as target:
        yield target


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[Target]:
    with running_postgresql() as url, target_on(url, tmp_path) as target:
        yield target


def fuzz(
    target: Target,
    *options: str,
    folder: Path,
    credentials: dict[str, Any] | None = None,
    configuration: str = "",
) -> None:
    """Run every check; prints how much was tried, and fails if anything was found."""
    file = folder / "schemathesis.toml"
    file.write_text(CONFIGURATION.read_text() + configuration)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(file)]
    options = ("--no-color", "--seed", SEED, "--max-examples", str(EXAMPLES), *options)
    done = subprocess.run(
        [*command, "run", f"{target.base}/openapi.json", *options],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
            "FUZZ_CREDENTIALS": json.dumps(credentials or {}),
        },
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{target.worker.printed}"
    tried = TRIED.search(done.stdout)
    assert tried
    report("fuzzed", seed=SEED, examples=EXAMPLES, tried=tried[1])


def test_everybody_gets_what_the_document_promises(sqlite: Target, tmp_path: Path) -> None:
    sqlite.add_person("bystander")  # the first user, whom links of GET /admin/users lead to
    fuzz(sqlite, folder=tmp_path, credentials=sqlite.everybody())


def test_nobody_gets_what_the_document_promises(limited: Target, tmp_path: Path) -> None:
    fuzz(limited, "--warnings=off", folder=tmp_path)


def test_two_people_never_get_what_is_one_of_theirs(postgresql: Target, tmp_path: Path) -> None:
    people = [
        {
            "name": name,
            "fixedHeaders": [{"name": "Authorization", "value": postgresql.authorization_of(name)}],
        }
        for name in PEERS
    ]
    file = tmp_path / "people.json"
    file.write_text(json.dumps({"auth": people}))
    fuzz(
        postgresql,
        *("--include-tag=chat", "--include-tag=anatomy"),
        folder=tmp_path,
        configuration=f"\n[auth.wfc]\npath = {str(file)!r}\npeers = {list(PEERS)}\n",
    )
