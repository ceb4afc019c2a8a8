"""docs/asvs.md names tests that exist, each requirement once, and counts them rightly."""

import re
import tomllib
from collections import Counter

from tests.conftest import REPOSITORY
from tests.security_rows import TEST, functions_of

DOCUMENT = (REPOSITORY / "docs" / "asvs.md").read_text()
LEVELS = {1: 70, 2: 183}  # requirements of ASVS 5.0.0
CHAPTERS = range(1, 18)

ID = r"\d{1,2}\.\d\.\d{1,2}"
ROW = re.compile(rf"^\| ({ID}) \| ([12]) \| [^|]+ \| (.+) \|$", re.MULTILINE)
NOT_APPLICABLE = re.compile(rf"^\| ({ID}(?:, {ID})*) \| [^|]+ \|$", re.MULTILINE)
FIGURES = re.compile(
    r"^\| ([12]) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE
)
TESTS_ALONE = re.compile(rf"{TEST.pattern}(?:, {TEST.pattern})*")
# In the order of the figures; what begins with none of them names tests.
KINDS = ("by construction: ", "documented: ", "**waived**: ", "**open**: ")


def kind_of(cell: str) -> str:
    return next((kind for kind in KINDS if cell.startswith(kind)), "")


def test_every_test_that_is_named_exists() -> None:
    named = TEST.findall(DOCUMENT)
    assert len(named) > 150
    assert [f"{path}::{name}" for path, name in named if name not in functions_of(path)] == []


def test_every_requirement_is_there_once() -> None:
    applicable = [number for number, *_ in ROW.findall(DOCUMENT)]
    others = [number for ids in NOT_APPLICABLE.findall(DOCUMENT) for number in ids.split(", ")]
    assert [n for n, times in Counter(applicable + others).items() if times > 1] == []
    assert len(applicable) + len(others) == sum(LEVELS.values())
    assert f"{len(others)} of them [do not apply]" in DOCUMENT
    assert {int(number.partition(".")[0]) for number in (*applicable, *others)} == {*CHAPTERS}


def test_the_figures_are_those_of_the_rows() -> None:
    rows = ROW.findall(DOCUMENT)
    counted = {
        level: Counter(kind_of(cell) for _, at, cell in rows if at == level) for level in "12"
    }
    assert [[int(figure) for figure in line] for line in FIGURES.findall(DOCUMENT)] == [
        [int(level), counted[level].total(), *(counted[level][kind] for kind in ("", *KINDS))]
        for level in "12"
    ]


def test_every_row_says_what_shows_it_or_what_is_missing() -> None:
    for number, _, cell in ROW.findall(DOCUMENT):
        if kind_of(cell) == "":
            assert TESTS_ALONE.fullmatch(cell), number
        if kind_of(cell) == "**open**: ":
            assert "Needed: " in cell or re.search(rf"as {ID}", cell), number


def test_files_and_pages_that_are_named_exist() -> None:
    files = re.findall(r"`(src/[\w/]+(?:\.py)?)`", DOCUMENT)
    pages = re.findall(r"\]\(([\w/.-]+\.md)[#\w-]*\)", DOCUMENT)
    headings = {
        re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))
        for heading in re.findall(r"^## (.+)$", DOCUMENT, re.MULTILINE)
    }
    assert [each for each in files if not (REPOSITORY / each).exists()] == []
    assert [each for each in pages if not (REPOSITORY / "docs" / each).exists()] == []
    assert set(re.findall(r"\]\(#([\w-]+)\)", DOCUMENT)) <= headings


def test_the_rules_of_ruff_that_the_page_relies_on_are_on() -> None:
    lint = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    of_source = [
        rules for path, rules in lint["per-file-ignores"].items() if path.startswith("src")
    ]
    ignored = [*lint["ignore"], *(rule for rules in of_source for rule in rules)]
    assert [rule for rule in ignored if re.fullmatch(r"S\d*", rule)] == []
    # None of shells, eval, pickle, XML, SQL as text, broken hashes, guessable numbers, open TLS.
    excused = {
        rule
        for path in REPOSITORY.glob("src/**/*.py")
        for rule in re.findall(r"noqa: (S\d{3})", path.read_text())
    }
    assert excused <= {"S101", "S104", "S105", "S310", "S603", "S606"}
