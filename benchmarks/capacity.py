"""What a request costs here, beside what it costs others and what it must cost at least.

    python -m benchmarks.capacity [--quick] [--rounds 9] [--seconds 1]

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
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks import contestants
from benchmarks.api import Person, Work
from benchmarks.contestants import Contestant, Stores
from benchmarks.load import Client, once, processor_seconds_per_answer
from benchmarks.processes import Server, free_port, serving
from benchmarks.table import print_table, quartiles
from tests.servers import running_postgresql, running_redis

SERVER_CORE, LOAD_CORE = {0}, {1}
PEOPLE = 16
WARM_UP_ROUNDS = 1
TIMED = (Work.PROFILE, Work.VERIFY, Work.REFRESH)


@dataclass(frozen=True)
class Entry:
    """A contestant that serves, and the people who use it."""

    contestant: Contestant
    server: Server
    clients: list[Client]

    @property
    def name(self) -> str:
        return self.contestant.name


@contextmanager
def entered(contestant: Contestant, folder: Path, cores: set[int]) -> Iterator[Entry]:
    port = free_port()
    with serving(
        contestant.command_at(port),
        port=port,
        environment=contestant.environment,
        folder=folder,
        cores=cores,
        path=contestant.is_alive,
    ) as server:
        people = [Person() for _ in range(PEOPLE)]
        yield Entry(contestant, server, [Client(contestant.api, one, port) for one in people])


async def admit_people(entry: Entry) -> None:
    """Give everybody an account and a session. Raises: RuntimeError when one is refused."""
    if not entry.contestant.has_people:
        return
    for work in (Work.SIGN_UP, Work.LOG_IN):
        tally = await once(work, entry.clients)
        if tally.failed:
            raise RuntimeError(f"{entry.name} refuses {work}")


Costs = dict[tuple[str, Work], list[float]]  # processor seconds per answer, one for each round


async def race(entries: list[Entry], *, rounds: int, seconds: float) -> Costs:
    """Round after round of slices, everybody in turn."""
    for entry in entries:
        await admit_people(entry)
    costs: Costs = {}
    for number in range(WARM_UP_ROUNDS + rounds):
        for entry in entries:
            for work in TIMED:
                if work not in entry.contestant.api.endpoints:
                    continue
                cost = await processor_seconds_per_answer(
                    entry.server, work, entry.clients, seconds=seconds
                )
                if number >= WARM_UP_ROUNDS:
                    costs.setdefault((entry.name, work), []).append(cost)
    return costs


def print_costs(costs: Costs) -> None:
    plain = costs["plain", Work.PROFILE]
    rows = []
    for (name, work), values in costs.items():
        _, capacity, _ = quartiles([1 / value for value in values])
        ratios = [a / b for a, b in zip(plain, values, strict=True)]
        first, median, third = quartiles(ratios)
        spread = f"{first:.3f} to {third:.3f}"
        what = "a route" if name in ("plain", "bare ASGI") else work
        each = f"{1e6 / capacity:,.0f}"
        rows.append([name, what, f"{capacity:,.0f}", each, f"{median:.3f}", spread])
    header = ["server", "work", "answers / s of a core", "us each", "x plain", "quartiles"]
    print_table(f"Capacity, {len(plain)} rounds in turn", header, rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short slices")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, help="of each slice")
    options = parser.parse_args()
    seconds = options.seconds or (0.4 if options.quick else 1.0)
    os.sched_setaffinity(0, LOAD_CORE)  # inherited by the stores
    with (
        tempfile.TemporaryDirectory(prefix="lk-") as folder,
        running_postgresql() as postgresql_url,
        running_redis() as redis,
        ExitStack() as stack,
    ):
        stores = Stores(Path(folder), postgresql_url, redis.url)
        everybody = [*contestants.limits(), contestants.latchkey(stores)]
        entries = [
            stack.enter_context(entered(each, stores.folder, SERVER_CORE)) for each in everybody
        ]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            costs = runner.run(race(entries, rounds=options.rounds, seconds=seconds))
    print_costs(costs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
