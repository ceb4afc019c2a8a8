"""What a request costs here, beside what it costs others and what it must cost at least.

    python -m benchmarks.capacity [--quick] [--peers] [--rounds 9] [--seconds 1]

Every server is one worker process on one core; clients and stores are on another. They take turns
in short slices, round after round. Capacity is answers per second of the server's processor time,
so that whatever else the machine does hurts little; ratios are taken within a round.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks import contestants
from benchmarks.api import Work
from benchmarks.contestants import BARE, PLAIN, Contestant, Stores
from benchmarks.race import LOAD_CORES, Costs, Entry, admit_people, entered, race
from benchmarks.table import print_table, quartiles
from tests.servers import running_postgresql, running_redis


def everybody(stores: Stores, *, quick: bool) -> list[Contestant]:
    ours = contestants.latchkey(stores)
    few = [*contestants.limits(), ours]
    if quick:
        return few
    variants = [
        contestants.without_layers(ours),
        contestants.with_algorithm(ours, "ES256", stores.folder),
        contestants.with_algorithm(ours, "RS256", stores.folder),
    ]
    return [*few, *variants, *contestants.peers(stores)]


def print_costs(costs: Costs) -> None:
    plain = costs[PLAIN, Work.PROFILE]
    rows = []
    for (name, work), values in costs.items():
        _, microseconds, _ = quartiles([value * 1e6 for value in values])
        first, median, third = quartiles([a / b for a, b in zip(plain, values, strict=True)])
        rows.append(
            [
                name,
                "a constant" if name in (PLAIN, BARE) else work,
                f"{1e6 / microseconds:,.0f}",
                f"{microseconds:,.0f}",
                f"{median:.3f}",
                f"{first:.3f} to {third:.3f}",
            ]
        )
    header = ["server", "work", "answers / s of a core", "us each", "x plain", "quartiles"]
    print_table(f"Capacity, {len(plain)} rounds in turn", header, rows)


async def measure(entries: list[Entry], *, rounds: int, seconds: float) -> None:
    for entry in entries:
        await admit_people(entry)
    print_costs(await race(entries, rounds=rounds, seconds=seconds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ours and the limits alone, short")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, help="of each slice")
    options = parser.parse_args()
    seconds = options.seconds or (0.4 if options.quick else 1.0)
    os.sched_setaffinity(0, LOAD_CORES)  # inherited by the stores
    with (
        tempfile.TemporaryDirectory(prefix="lk-") as folder,
        running_postgresql() as postgresql_url,
        running_redis() as redis,
        ExitStack() as stack,
    ):
        stores = Stores(Path(folder), postgresql_url, redis.url)
        entries = [
            stack.enter_context(entered(each, stores.folder))
            for each in everybody(stores, quick=options.quick)
        ]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(entries, rounds=options.rounds, seconds=seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
