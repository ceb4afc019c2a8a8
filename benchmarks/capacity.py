"""What a request costs here, beside what it costs others and what it must cost at least.

    python -m benchmarks.capacity [--quick] [--markdown] [--rounds 9] [--seconds 0.7]

Every server is one worker process on one core; clients and stores are on another. They take turns
in short slices, round after round. Capacity is answers per second of the server's processor time,
so that whatever else the machine does hurts little; ratios are taken within a round.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

from benchmarks import contestants, report
from benchmarks.contestants import (
    LATCHKEY,
    PEERS,
    PEERS_PYTHON,
    TWO_CORES,
    VARIANTS,
    Contestant,
    Stores,
)
from benchmarks.flood import flood
from benchmarks.goals import Measured, check
from benchmarks.hashing import hashing_race
from benchmarks.race import (
    LOAD_CORES,
    SERVER_CORES,
    Entry,
    admit_people,
    borrow_people,
    entered,
    race,
)
from benchmarks.round_trips import microseconds, per_refresh
from benchmarks.table import print_markdown, print_table
from src.core.redis import build_redis
from tests.servers import running_postgresql, running_redis

MOST_HASHING_ROUNDS = 5
FLOODS = {LATCHKEY: 3}  # of all others one
STARTS = 3


class Contest:
    """Who takes part, by name, the stores that all share, and what is measured so far."""

    def __init__(self, stores: Stores, entries: list[Entry]) -> None:
        self.stores = stores
        self.entries = {entry.name: entry for entry in entries}
        self.measured = Measured()

    @property
    def products(self) -> list[Entry]:
        return [self.entries[name] for name in (LATCHKEY, *PEERS)]

    async def quick(self, *, rounds: int, seconds: float) -> None:
        """Capacities alone, of those who are there."""
        await self._admit()
        say("The race")
        entries = list(self.entries.values())
        self.measured.costs = await race(entries, rounds=rounds, seconds=seconds)
        redis = build_redis(self.stores.redis_url)
        self.measured.redis_microseconds = await microseconds(redis)
        self.measured.of_redis = await per_refresh(self.entries[LATCHKEY], redis)
        await redis.aclose()

    async def whole(self, *, rounds: int, seconds: float) -> None:
        """Capacities, then all that needs longer."""
        await self.quick(rounds=rounds, seconds=seconds)
        warm = {entry.name: entry.server.resident_mebibytes() for entry in self.products}
        ours, *peers = self.products
        say("Log-ins and sign-ups")
        both = [ours, self.entries[TWO_CORES]]
        hashing_rounds = min(rounds, MOST_HASHING_ROUNDS)
        self.measured.hashing = await hashing_race(both, peers, rounds=hashing_rounds)
        for entry in self.products:
            say(f"A flood of log-ins at {entry.name}")
            floods = [await flood(entry) for _ in range(FLOODS.get(entry.name, 1))]
            self.measured.floods[entry.name] = floods
        say("Starts")
        for entry in self.products:
            memory = entry.server.resident_mebibytes()
            self.measured.memory[entry.name] = (warm[entry.name], memory)
            self.measured.starts[entry.name] = self._starts(entry.contestant)

    async def _admit(self) -> None:
        say("Accounts")
        for entry in self.entries.values():
            if entry.name in VARIANTS:
                await borrow_people(entry, self.entries[LATCHKEY])
            else:
                await admit_people(entry)

    def _starts(self, contestant: Contestant) -> list[float]:
        if contestant.name == LATCHKEY:
            contestant = contestants.worker_alone(contestant)
        return [self._start(contestant) for _ in range(STARTS)]

    def _start(self, contestant: Contestant) -> float:
        with entered(contestant, self.stores.folder) as entry:
            return entry.server.seconds_to_first_answer


@contextmanager
def started(*, quick: bool) -> Iterator[Contest]:
    """Stores and servers, until the block ends."""
    os.sched_setaffinity(0, LOAD_CORES)  # inherited by the stores
    with (
        tempfile.TemporaryDirectory(prefix="lk-") as folder,
        running_postgresql() as postgresql_url,
        running_redis() as redis,
        ExitStack() as stack,
    ):
        say("Servers")
        stores = Stores(Path(folder), postgresql_url, redis.url)
        ours = contestants.latchkey(stores)
        taking_part = [*contestants.limits(), ours]
        if not quick:
            taking_part += [
                contestants.without_layers(ours),
                contestants.with_algorithm(ours, "ES256", stores.folder),
                contestants.with_algorithm(ours, "RS256", stores.folder),
                *contestants.peers(stores),
            ]
        entries = [stack.enter_context(entered(each, stores.folder)) for each in taking_part]
        if not quick:
            wide, cores = contestants.for_two_cores(ours), SERVER_CORES | LOAD_CORES
            entries.append(stack.enter_context(entered(wide, stores.folder, cores=cores)))
        yield Contest(stores, entries)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ours and the limits alone, short")
    parser.add_argument("--markdown", action="store_true", help="tables as docs/performance.md's")
    parser.add_argument("--rounds", type=int, default=9, help="two at least")
    parser.add_argument("--seconds", type=float, help="of each slice")
    options = parser.parse_args()
    if not options.quick and not PEERS_PYTHON.exists():
        print("The peers are missing: run make bench, or give --quick.", file=sys.stderr)
        return 2
    seconds = options.seconds or (0.4 if options.quick else 0.7)
    show = print_markdown if options.markdown else print_table
    with (
        started(quick=options.quick) as contest,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        measure = contest.quick if options.quick else contest.whole
        try:
            runner.run(measure(rounds=options.rounds, seconds=seconds))
        finally:  # what was measured until a failure, or Ctrl-C, is not lost
            for title, header, rows in report.tables(contest.measured):
                show(title, header, rows)
    print("\nGoal 6 is measured by refresh_at_scale and session_memory.")
    return 0 if all(each.kept for _, each in check(contest.measured)) else 1


def say(what: str) -> None:
    """What goes on, beside the tables: it takes minutes."""
    print(f"{what} ...", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
