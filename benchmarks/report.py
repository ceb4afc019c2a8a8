"""The tables of what was measured."""

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.api import Work
from benchmarks.contestants import BARE, PLAIN
from benchmarks.flood import p99
from benchmarks.goals import Check, Measured, check, ratios
from benchmarks.hashing import RAW_ONE
from benchmarks.round_trips import Asked
from benchmarks.table import quartiles

Table = tuple[str, list[str], list[list[str]]]  # title, header, rows


def tables(measured: Measured) -> Iterator[Table]:
    """All of which there are figures."""
    if measured.costs:
        yield _capacity(measured)
    if measured.of_redis:
        yield _redis(measured.of_redis, measured.redis_microseconds)
    if measured.hashing:
        yield _hashing(measured)
    if measured.floods:
        yield _floods(measured)
    if measured.starts:
        yield _processes(measured)
    if measured.costs:
        yield _goals(check(measured))


def _goals(checks: Sequence[tuple[int, Check]]) -> Table:
    """Each figure that has a limit."""
    rows = [
        [str(number), each.what, each.limit, each.found, "kept" if each.kept else "BROKEN"]
        for number, each in checks
    ]
    return "Goals, of the ratios median and quartiles", ["", "what", "limit", "found", ""], rows


def _capacity(measured: Measured) -> Table:
    plain = measured.costs[PLAIN, Work.PROFILE]
    rows = []
    for (name, work), costs in measured.costs.items():
        microseconds = statistics.median(cost.processor for cost in costs) * 1e6
        what = "a constant" if name in (PLAIN, BARE) else str(work)
        figures = [f"{1e6 / microseconds:,.0f}", f"{microseconds:,.0f}"]
        rows.append([name, what, *figures, *_spread(ratios(costs, plain))])
    header = ["server", "work", "answers / s of a core", "µs each", "× plain", "quartiles"]
    return f"Capacity, {len(plain)} rounds in turn", header, rows


def _redis(each_refresh: Asked, microseconds: tuple[float, float]) -> Table:
    ping, script = microseconds
    rows = [
        ["PING", f"{ping:.0f} µs"],
        ["a script of one command", f"{script:.0f} µs"],
        ["scripts for each refresh", f"{each_refresh.scripts:.2f}"],
        ["reads by Redis for each refresh, sixteen clients", f"{each_refresh.reads:.2f}"],
    ]
    return "Redis, one request after the other, over a unix socket", ["what", "median"], rows


def _hashing(measured: Measured) -> Table:
    raw = measured.hashing[RAW_ONE, Work.LOG_IN]
    rows = []
    for (name, work), costs in measured.hashing.items():
        processor = statistics.median(cost.processor for cost in costs) * 1e3
        a_second = 1 / statistics.median(cost.elapsed for cost in costs)
        what = "one hash" if name.startswith("bcrypt") else str(work)
        figures = [f"{processor:.0f} ms", f"{a_second:.1f}"]
        rows.append([name, what, *figures, *_spread(ratios(costs, raw))])
    header = ["server", "work", "of a core", "a second", "× bcrypt alone", "quartiles"]
    return f"Log-in and sign-up, {len(raw)} rounds in turn, bcrypt 12", header, rows


def _floods(measured: Measured) -> Table:
    rows = []
    for name, floods in measured.floods.items():
        idle = statistics.median(p99(each.idle) for each in floods) * 1e3
        flooded = statistics.median(p99(each.flooded) for each in floods) * 1e3
        ratio = statistics.median(each.ratio for each in floods)
        counts = [sum(each.log_ins for each in floods), sum(each.failed for each in floods)]
        rows.append(
            [name, f"{idle:.1f} ms", f"{flooded:.1f} ms", f"{ratio:.1f}", *map(str, counts)]
        )
    header = ["server", "p99 idle", "p99 flooded", "ratio", "log-ins", "failed"]
    return "Profile while 50 clients log in", header, rows


def _processes(measured: Measured) -> Table:
    rows = []
    for name, starts in measured.starts.items():
        warm, after = measured.memory[name]
        first, median, third = quartiles(starts)
        start = [f"{median:.2f} s", f"{first:.2f} to {third:.2f}"]
        rows.append([name, f"{warm:.0f} MiB", f"{after:.0f} MiB", *start])
    header = ["worker", "resident, warm", "after the floods", "first answer", "quartiles"]
    return "A worker process", header, rows


def _spread(values: list[float]) -> list[str]:
    first, median, third = quartiles(values)
    return [f"{median:.3f}", f"{first:.3f} to {third:.3f}"]
