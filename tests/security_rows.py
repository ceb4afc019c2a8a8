"""What docs/security.md says, counted.

    python -m tests.security_rows

A row is shown by `make test` when at least one of its tests runs there, by `make test-faults` when
all of them are long.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "security.md"

SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| (?!Tried |---)([^|]+) \| ([^|]+) \| ([^|]*)\|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
WAIVED = "**waived**: "
KINDS = ("make test", "make test-faults", "waived")


@dataclass(frozen=True)
class Row:
    """One attempt, what comes of it, and the tests that show it: (file, function)."""

    section: str
    tried: str
    gets: str
    tests: tuple[tuple[str, str], ...]

    @property
    def shown_by(self) -> str:
        """One of `KINDS`."""
        if self.gets.startswith(WAIVED):
            return "waived"
        return "make test-faults" if all(is_long(*test) for test in self.tests) else "make test"


def rows(page: Path = PAGE) -> Iterator[Row]:
    _, *sections = SECTION.split(page.read_text(encoding="utf-8"))
    for section, text in zip(sections[::2], sections[1::2], strict=True):
        for tried, gets, shown in ROW.findall(text):
            yield Row(section, tried, gets, tuple(TEST.findall(shown)))


@cache
def functions_of(path: str) -> dict[str, bool]:
    """The functions of a file, and whether each is marked `faults`, by itself or with its file."""
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    marks = [
        ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    all_are_long = any("pytest.mark.faults" in mark for mark in marks)
    return {
        node.name: all_are_long
        or "pytest.mark.faults" in {ast.unparse(each) for each in node.decorator_list}
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def is_long(path: str, name: str) -> bool:
    return functions_of(path)[name]


def main() -> None:
    counted: dict[str, Counter[str]] = {}
    for row in rows():
        counted.setdefault(row.section, Counter())[row.shown_by] += 1
    lines = [f"{'':40}{'rows':>6}" + "".join(f"{kind:>18}" for kind in KINDS)]
    for section, kinds in [*counted.items(), ("All", sum(counted.values(), Counter()))]:
        figures = "".join(f"{kinds[kind]:>18}" for kind in KINDS)
        lines.append(f"{section:40}{kinds.total():>6}{figures}")
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
