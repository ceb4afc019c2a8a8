"""The nine goals, and whether what was measured reaches them."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.api import Work
from benchmarks.contestants import (
    ES256,
    FASTAPI_USERS,
    LATCHKEY,
    PEERS,
    PLAIN,
    RS256,
    SIMPLEJWT,
    TWO_CORES,
    WITHOUT_LAYERS,
)
from benchmarks.flood import Flood
from benchmarks.hashing import RAW_ONE
from benchmarks.race import Cost, Costs
from benchmarks.round_trips import Asked
from benchmarks.table import quartiles

MOST_MEBIBYTES = 100
MOST_START_SECONDS = 1.0


@dataclass
class Measured:
    """What one run has found out so far. Memory is in MiB: warm, and at the end."""

    costs: Costs = field(default_factory=dict)
    hashing: Costs = field(default_factory=dict)
    floods: dict[str, list[Flood]] = field(default_factory=dict)
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)  # seconds
    of_redis: Asked | None = None  # each refresh
    redis_microseconds: tuple[float, float] = (0.0, 0.0)  # of a PING, of a script


@dataclass(frozen=True)
class Check:
    """One figure and its limit."""

    what: str
    limit: str
    found: str
    kept: bool


def ratios(faster: Iterable[Cost], slower: Iterable[Cost]) -> list[float]:
    """How many times the capacity of the second the first has, round by round."""
    return [b.processor / a.processor for a, b in zip(faster, slower, strict=True)]


def check(measured: Measured) -> list[tuple[int, Check]]:
    """Each goal's number with one or more checks: those of which there are figures."""
    costs = measured.costs
    checks: dict[int, list[Check]] = {}
    if costs:
        checks |= {1: _verify(costs), 2: _profile(costs), 3: _refresh(measured)}
    if measured.hashing:
        checks[4] = _log_in(measured.hashing)
    if LATCHKEY in measured.floods:
        checks[5] = _flood(measured.floods[LATCHKEY])
    if (WITHOUT_LAYERS, Work.VERIFY) in costs:
        checks |= {7: [_layers(costs)], 9: _algorithms(costs)}
    if LATCHKEY in measured.starts:
        checks[8] = _process(measured)
    return [(number, each) for number in sorted(checks) for each in checks[number]]


def _verify(costs: Costs) -> list[Check]:
    ours = costs[LATCHKEY, Work.VERIFY]
    return [
        _at_least("verify, × a plain route", 0.75, ratios(ours, costs[PLAIN, Work.PROFILE])),
        *_beside_best("verify", 2.5, costs, Work.VERIFY),
    ]


def _profile(costs: Costs) -> list[Check]:
    checks = _beside_best("profile", 4.0, costs, Work.PROFILE)
    theirs = costs.get((FASTAPI_USERS, Work.PROFILE))
    if theirs is not None:
        found = ratios(costs[LATCHKEY, Work.PROFILE], theirs)
        checks.append(_at_least(f"profile, × {FASTAPI_USERS}", 8.0, found))
    return checks


def _refresh(measured: Measured) -> list[Check]:
    costs = measured.costs
    ours = costs[LATCHKEY, Work.REFRESH]
    checks = [
        _at_least("refresh, × a plain route", 0.4, ratios(ours, costs[PLAIN, Work.PROFILE])),
        *_beside_best("refresh", 2.0, costs, Work.REFRESH),
    ]
    theirs = costs.get((SIMPLEJWT, Work.REFRESH))
    if theirs is not None:
        checks.append(_at_least(f"refresh, × {SIMPLEJWT}", 12.0, ratios(ours, theirs)))
    if asked := measured.of_redis:
        scripts, reads = asked
        one, most = f"{scripts:.2f}", f"{reads:.2f}"
        checks.append(Check("scripts in Redis a refresh", "1", one, kept=0.9 < scripts < 1.1))
        checks.append(Check("round trips to Redis a refresh", "at most 1", most, kept=reads < 1.1))
    return checks


def _log_in(hashing: Costs) -> list[Check]:
    ours, raw = hashing[LATCHKEY, Work.LOG_IN], hashing[RAW_ONE, Work.LOG_IN]
    both = hashing[TWO_CORES, Work.LOG_IN]
    gained = [one.elapsed / two.elapsed for one, two in zip(ours, both, strict=True)]
    return [
        _at_least("log-in, × bcrypt alone", 0.97, ratios(ours, raw)),
        _at_least("log-in on two cores, × one", 1.9, gained),
    ]


def _flood(floods: list[Flood]) -> list[Check]:
    failed = sum(each.failed for each in floods)
    return [
        _at_most("p99 of profile during log-ins, × idle", 1.5, [each.ratio for each in floods]),
        Check("requests that failed meanwhile", "0", str(failed), kept=not failed),
    ]


def _layers(costs: Costs) -> Check:
    whole, alone = costs[LATCHKEY, Work.VERIFY], costs[WITHOUT_LAYERS, Work.VERIFY]
    shares = [1 - b.processor / a.processor for a, b in zip(whole, alone, strict=True)]
    return _at_most("share of the layers in verify", 0.15, shares)


def _process(measured: Measured) -> list[Check]:
    memory = max(measured.memory[LATCHKEY])
    found = f"{memory:.0f} MiB"
    return [
        Check("memory of a worker", "100 MiB", found, kept=memory <= MOST_MEBIBYTES),
        _at_most("seconds to the first answer", MOST_START_SECONDS, measured.starts[LATCHKEY]),
    ]


def _algorithms(costs: Costs) -> list[Check]:
    """With tokens that were not seen before: only then a signature is verified."""
    work = Work.VERIFY_UNSEEN
    usual = costs[LATCHKEY, work]
    return [
        _at_least(f"{work}, {name}, × HS256", limit, ratios(costs[name, work], usual))
        for name, limit in ((ES256, 0.65), (RS256, 0.8))
    ]


def _beside_best(what: str, limit: float, costs: Costs, work: Work) -> list[Check]:
    """Against the peer with the greatest capacity, if any took part."""
    peers = [name for name, its in costs if name in PEERS and its is work]
    if not peers:
        return []
    found = {name: ratios(costs[LATCHKEY, work], costs[name, work]) for name in peers}
    best = min(found, key=lambda name: statistics.median(found[name]))
    return [_at_least(f"{what}, × {best}", limit, found[best])]


def _at_least(what: str, limit: float, found: list[float]) -> Check:
    return Check(what, f"at least {limit}", _told(found), kept=statistics.median(found) >= limit)


def _at_most(what: str, limit: float, found: list[float]) -> Check:
    return Check(what, f"at most {limit}", _told(found), kept=statistics.median(found) <= limit)


def _told(values: list[float]) -> str:
    first, median, third = quartiles(values)
    return f"{median:.2f} ({first:.2f} to {third:.2f})"
