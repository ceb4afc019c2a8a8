"""docs/faults.md names tests that exist for each fault, and every file of fault runs."""

import re

from tests.conftest import REPOSITORY
from tests.security_rows import TEST, functions_of

DOCUMENT = (REPOSITORY / "docs" / "faults.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]*) \| ([^|]*) ?\|$", re.MULTILINE)
HEADING = "Fault"


def rows() -> list[tuple[str, ...]]:
    return [row for row in ROW.findall(DOCUMENT) if row[0] not in (HEADING, "---")]


def test_every_test_that_is_named_exists() -> None:
    named = TEST.findall(DOCUMENT)
    assert len(named) >= 30
    assert [f"{path}::{name}" for path, name in named if name not in functions_of(path)] == []


def test_every_fault_has_a_promise_and_a_test() -> None:
    assert len(rows()) == len([line for line in DOCUMENT.splitlines() if "`tests/" in line])
    for fault, promise, tests, _ in rows():
        assert promise.strip(), fault
        assert TEST.search(tests), fault


def test_every_test_of_a_fault_is_named() -> None:
    """A file of fault runs that no row knows of is one whose promise nobody can find."""
    of_faults = {file.name for file in (REPOSITORY / "tests" / "faults").glob("test_*.py")}
    named = {path.rpartition("/")[2] for path, _ in TEST.findall(DOCUMENT)}
    elsewhere = {"test_journey.py", "test_metrics_of_workers.py", "test_lost_answers.py"}
    assert of_faults - named - elsewhere == set()
