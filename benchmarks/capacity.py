"""What a request costs here, beside what it costs others and what it must cost at least.

    python -m benchmarks.capacity [--quick] [--markdown] [--rounds 9] [--seconds 1]

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
from dataclasses import replace
from pathlib import Path

import uvloop

from benchmarks import contestants, report
from benchmarks.contestants import LATCHKEY, PEERS, PEERS_PYTHON, TWO_CORES, Contestant, Stores
from benchmarks.flood import Flood, flood
from benchmarks.goals import Measured, check
from benchmarks.hashing import hashing_race
from benchmarks.race import LOAD_CORES, SERVER_CORES, Entry, admit_people, entered, race
from benchmarks.round_trips import microseconds, per_refresh
from benchmarks.table import print_markdown, print_table, verdict
from src.core.redis import build_redis
from tests.servers import running_postgresql, running_redis

HASHING_ROUNDS = 5
FLOODS = {LATCHKEY: 3}  # of all others one
STARTS = 5


class Race:
    """Who takes part, by name, and the stores that all share."""

    def __init__(self, stores: Stores, entries: list[Entry]) -> None:
        self.stores = stores
        self.entries = {entry.name: entry for entry in entries}

    @property
    def products(self) -> list[Entry]:
        return [self.entries[name] for name in (LATCHKEY, *PEERS)]

    async def quick(self, *, rounds: int, seconds: float) -> Measured:
        """Capacities alone, of those who are there."""
        entries = list(self.entries.values())
        for entry in entries:
            await admit_people(entry)
        measured = Measured(await race(entries, rounds=rounds, seconds=seconds))
        redis = build_redis(self.stores.redis_url)
        measured.redis_microseconds = await microseconds(redis)
        measured.round_trips = await per_refresh(self.entries[LATCHKEY], redis)
        await redis.aclose()
        return measured

    async def whole(self, *, rounds: int, seconds: float) -> Measured:
        """Capacities, then all that needs longer."""
        measured = await self.quick(rounds=rounds, seconds=seconds)
        warm = {entry.name: entry.server.resident_mebibytes() for entry in self.products}
        ours, *peers = self.products
        both = [ours, self.entries[TWO_CORES]]
        measured.hashing = await hashing_race(both, peers, rounds=HASHING_ROUNDS)
        measured.floods = {entry.name: await self._floods(entry) for entry in self.products}
        measured.memory = {
            entry.name: (warm[entry.name], entry.server.resident_mebibytes())
            for entry in self.products
        }
        measured.starts = {entry.name: self._starts(entry.contestant) for entry in self.products}
        return measured

    async def _floods(self, entry: Entry) -> list[Flood]:
        return [await flood(entry) for _ in range(FLOODS.get(entry.name, 1))]

    def _starts(self, contestant: Contestant) -> list[float]:
        if contestant.name == LATCHKEY:
            contestant = contestants.worker_alone(contestant)
        return [self._start(contestant) for _ in range(STARTS)]

    def _start(self, contestant: Contestant) -> float:
        with entered(contestant, self.stores.folder) as entry:
            return entry.server.seconds_to_first_answer


@contextmanager
def started(*, quick: bool) -> Iterator[Race]:
    """Stores and servers, until the block ends."""
    os.sched_setaffinity(0, LOAD_CORES)  # inherited by the stores
    with (
        tempfile.TemporaryDirectory(prefix="lk-") as folder,
        running_postgresql() as postgresql_url,
        running_redis() as redis,
        ExitStack() as stack,
    ):
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
            wide = replace(ours, name=TWO_CORES, api=contestants.HASHING_API)
            cores = SERVER_CORES | LOAD_CORES
            entries.append(stack.enter_context(entered(wide, stores.folder, cores=cores)))
        yield Race(stores, entries)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ours and the limits alone, short")
    parser.add_argument("--markdown", action="store_true", help="tables as docs/performance.md's")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, help="of each slice")
    options = parser.parse_args()
    if not options.quick and not PEERS_PYTHON.exists():
        print("The peers are missing: run make bench, or give --quick.", file=sys.stderr)
        return 2
    seconds = options.seconds or (0.4 if options.quick else 1.0)
    with (
        started(quick=options.quick) as contest,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        measure = contest.quick if options.quick else contest.whole
        measured = runner.run(measure(rounds=options.rounds, seconds=seconds))
    show = print_markdown if options.markdown else print_table
    for title, header, rows in report.tables(measured):
        show(title, header, rows)
    kept = [verdict(f"{n}. {each.told}", kept=each.kept) for n, each in check(measured)]
    return max(kept)


if __name__ == "__main__":
    sys.exit(main())
