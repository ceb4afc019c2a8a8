"""docs/security.md names tests that exist, and of each row what shows it or why not."""

import re

import pytest

from tests.security_rows import KINDS, PAGE, TEST, WAIVED, functions_of, main, rows

TESTS_ALONE = re.compile(rf"{TEST.pattern}(?:, {TEST.pattern})*")


def test_every_test_that_is_named_exists() -> None:
    named = TEST.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 120
    assert [f"{path}::{name}" for path, name in named if name not in functions_of(path)] == []


def test_every_row_names_tests_or_its_reason() -> None:
    found = [*rows()]
    assert len(found) >= 80
    for row in found:
        if row.gets.startswith(WAIVED):
            assert not row.tests, row.tried
            assert len(row.gets) > len(WAIVED) + 40, f"why? {row.tried}"
        else:
            assert row.tests, row.tried


def test_nothing_beside_tests_is_in_the_last_column() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    shown = [line.strip("|").rpartition(" | ")[2].strip() for line in lines]
    bad = [cell for cell in shown if cell != "Shown by" and not TESTS_ALONE.fullmatch(cell)]
    assert len(bad) == sum(row.gets.startswith(WAIVED) for row in rows())


def test_the_command_counts_every_row_once(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    *_, total = capsys.readouterr().out.splitlines()
    figures = [int(each) for each in total.split()[1:]]
    assert figures[0] == len([*rows()]) == sum(figures[1:])
    assert len(figures) == 1 + len(KINDS)
