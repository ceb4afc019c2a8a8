"""Where the processor time of a request goes: py-spy looks into the worker while it is busy.

    python -m benchmarks.where_time_goes [--seconds 5] [--markdown]

A sample belongs to the package whose Python code runs, or has called what is not Python (uvloop,
pydantic's core, the C of asyncpg). Nothing is added to the server.
"""

import argparse
import asyncio
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from tempfile import NamedTemporaryFile

import uvloop

from benchmarks.api import Work
from benchmarks.capacity import started
from benchmarks.contestants import LATCHKEY, PEERS_PYTHON, TIMED
from benchmarks.load import repeat
from benchmarks.race import Entry, admit_people
from benchmarks.table import print_markdown, print_table

SPY = PEERS_PYTHON.with_name("py-spy")
A_SECOND = 250
ATTACHING_SECONDS = 1.0
MOST_ROWS = 20
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]+)\)")
_HOMES = (  # of code, by its file; the first that fits
    (re.compile(r".*/site-packages/(\w+)"), r"\1"),
    (re.compile(r".*/(src/[\w/]+)\.py"), r"\1"),
    (re.compile(r".*/lib/python3\.\d+/(\w+).*"), r"Python's \1"),
)
_OUTSIDE = ("src/cli", "src/first_run/run", "src/first_run/serving")  # around all requests

Frame = tuple[str, str]  # a function and its file
Stacks = Counter[tuple[Frame, ...]]  # how often each was seen, the innermost frame last


async def stacks(entry: Entry, work: Work, seconds: float) -> Stacks:
    """What the server was seen doing while everybody asks for this work."""
    with NamedTemporaryFile("r", suffix=".stacks") as output:
        spy = await asyncio.create_subprocess_exec(
            *(str(SPY), "record", "--pid", str(entry.server.process.pid), "--format", "raw"),
            *("--full-filenames", "--nolineno", "--rate", str(A_SECOND)),
            *("--duration", f"{seconds:.0f}", "--output", output.name),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await repeat(work, entry.clients, seconds=seconds + ATTACHING_SECONDS)
        await spy.wait()
        for client in entry.clients:
            client.close()
        return parse(output.read())


def parse(text: str) -> Stacks:
    """Lines of `frame;frame;frame count`, the outermost first; of the main thread alone.

    The threads of the pool for passwords, which wait, would be counted as busy.
    """
    seen: Stacks = Counter()
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        matches = [_FRAME.fullmatch(frame) for frame in frames.split(";")]
        stack = tuple((m["function"], m["file"]) for m in matches if m)
        if stack and not stack[0][0].endswith("_bootstrap"):
            seen[stack] += int(count)
    return seen


def running(stack: tuple[Frame, ...]) -> set[str]:
    """The package, or the module of ours, whose code runs."""
    return {_home(stack[-1][1])}


def on_the_way(stack: tuple[Frame, ...]) -> set[str]:
    """Functions of ours that wait for what runs, or run."""
    named = {(function, _home(file)) for function, file in stack}
    inside = (each for each in named if each[1].startswith("src/") and each[1] not in _OUTSIDE)
    return {f"{function}, {home}" for function, home in inside}


def shares(seen: Stacks, of: Callable[[tuple[Frame, ...]], set[str]]) -> dict[str, float]:
    """The share of all samples that each of these has."""
    counts: Counter[str] = Counter()
    for stack, count in seen.items():
        for name in of(stack):
            counts[name] += count
    return {name: count / seen.total() for name, count in counts.items()}


def rows(columns: Iterable[dict[str, float]]) -> list[list[str]]:
    """One row for each name, the greatest first."""
    columns = list(columns)
    names = {name for column in columns for name in column}
    by_size = sorted(names, key=lambda name: -sum(column.get(name, 0) for column in columns))
    return [[name, *(f"{c.get(name, 0):.1%}" for c in columns)] for name in by_size[:MOST_ROWS]]


def _home(file: str) -> str:
    for pattern, name in _HOMES:
        match = pattern.match(file)
        if match:
            return match.expand(name)
    return file


async def look(entry: Entry, seconds: float) -> list[Stacks]:
    await admit_people(entry)
    return [await stacks(entry, work, seconds) for work in TIMED]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each kind of request")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    with (
        started(quick=True) as contest,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        seen = runner.run(look(contest.entries[LATCHKEY], options.seconds))
    show = print_markdown if options.markdown else print_table
    header = ["share of samples", *TIMED]
    show("What runs", header, rows(shares(each, running) for each in seen))
    show("Our functions, with all they call", header, rows(shares(e, on_the_way) for e in seen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
