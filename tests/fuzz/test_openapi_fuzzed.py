"""The server keeps what its OpenAPI document promises, whatever is sent: Schemathesis tries.

`FUZZ_EXAMPLES=200 make test-faults` looks longer, `FUZZ_SEED=…` elsewhere. What is excused, and
why, is in hooks.py and schemathesis.toml.
"""

import json
import os
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
CONFIGURATION = REPOSITORY / "tests" / "fuzz" / "schemathesis.toml"


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    with target_on(f"sqlite+aiosqlite:///{folder}/fuzz.db", folder) as target:
        yield target


@pytest.fixture(scope="module")
def limited_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    with running_postgresql() as url, target_on(url, folder, RATE_LIMITS="on") as target:
        yield target


def fuzz(target: Target, *options: str, credentials: dict[str, Any], folder: Path) -> None:
    """Run every check; prints what was found, and fails if anything was."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)]
    options = ("--no-color", "--seed", SEED, "--max-examples", str(EXAMPLES), *options)
    done = subprocess.run(
        [*command, "run", f"{target.base}/openapi.json", *options],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
            "FUZZ_CREDENTIALS": json.dumps(credentials),
        },
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{target.worker.printed}"
    report("fuzzed", seed=SEED, examples=EXAMPLES, last=done.stdout.strip().splitlines()[-1])


def test_everybody_gets_what_the_document_promises(sqlite: Target, tmp_path: Path) -> None:
    sqlite.add_person("bystander")  # the first user, whom links of GET /admin/users lead to
    fuzz(sqlite, credentials=sqlite.everybody(), folder=tmp_path)


def test_nobody_gets_what_the_document_promises(
    limited_postgresql: Target,
    tmp_path: Path,
) -> None:
    fuzz(limited_postgresql, "--warnings", "off", credentials={}, folder=tmp_path)
