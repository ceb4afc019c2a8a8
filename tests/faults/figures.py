"""What fault runs measured: one table at the end of the run, and the same in a file."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

import pytest

# Beside what else a run leaves behind; git ignores the folder.
TABLE = Path(__file__).parents[2] / "test-results" / "faults.md"
TRIES = 3


@dataclass(frozen=True)
class Figure:
    """A row of the table."""

    fault: str
    promise: str
    measured: str


HEADINGS = Figure("Fault", "Promise", "Measured")
_noted: list[Figure] = []


def note(fault: str, promise: str, measured: str) -> None:
    """A row for the table. Note it before it is asserted: a broken promise is a figure too."""
    _noted.append(Figure(fault, promise, measured))


def spread(seconds: Iterable[float]) -> str:
    """Median and maximum of durations."""
    measured = [*seconds]
    return f"p50 {statistics.median(measured):.2f} s, max {max(measured):.2f} s"


def expect_within(promised: float, measure: Callable[[], float]) -> None:
    """The best of three tries; more than one where the machine is busy with something else.

    Raises: AssertionError when none took as few seconds as promised.
    """
    tries: list[float] = []
    while not tries or min(tries) > promised:
        assert len(tries) < TRIES, f"{promised} s are promised, it took {tries}"
        tries.append(measure())


def show(reporter: pytest.TerminalReporter) -> None:
    """Print the table and write it, if anything was noted."""
    if not _noted:
        return
    reporter.section("figures of faults")
    reporter.write_line(table())
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(table() + "\n")


def table() -> str:
    """Markdown, its columns aligned for a terminal."""
    rows = [astuple(HEADINGS), *map(astuple, _noted)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(map(str.ljust, row, widths)) + " |"  # a cell each, as wide as its column
        for row in rows
    )
