"""What every benchmark prints: a table, and whether a promise was kept."""

import statistics
from collections.abc import Sequence


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


def print_markdown(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The same for a page of the documentation; what follows a title's comma begins the text."""
    heading, _, how = title.partition(", ")
    print(f"\n### {heading}\n")
    if how:
        print(f"{how[0].upper()}{how[1:]}.\n")
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(map(str, row))} |")


def verdict(promise: str, *, kept: bool) -> int:
    """Print it; the exit status."""
    print(f"\n{'kept' if kept else 'BROKEN'}: {promise}")
    return 0 if kept else 1


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The first quartile, the median, the third."""
    first, second, third = statistics.quantiles(values, n=4)
    return first, second, third
