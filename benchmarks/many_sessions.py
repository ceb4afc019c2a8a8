"""One user with 10,000 sessions: listing them, ending them, and Redis's slowest command meanwhile.

python -m benchmarks.many_sessions [--sessions 10000] [--rounds 7]
"""

import argparse
import asyncio
import statistics
import sys
import tempfile

from benchmarks.table import print_table, quartiles, verdict
from tests.conftest import migrate
from tests.processes.crowd import Figures, list_and_log_out, servers_without_cap
from tests.processes.workers import clients_of

MOST_SECONDS = 1.0
MOST_MICROSECONDS = 10_000


async def measure(database_url: str, sessions: int, rounds: int) -> list[Figures]:
    with servers_without_cap(database_url) as servers:
        async with clients_of(servers.workers) as pair:
            return [
                await list_and_log_out(pair, servers.redis, sessions=sessions)
                for _ in range(rounds)
            ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database_url = f"sqlite+aiosqlite:///{folder}/many.db"
        migrate(database_url, "head")
        rounds = asyncio.run(measure(database_url, options.sessions, options.rounds))
    listing = [each.list_seconds for each in rounds]
    ending = [each.log_out_seconds for each in rounds]
    slowest = [each.slowest_command for each in rounds]
    print_table(
        f"One user with {options.sessions:,} sessions, {options.rounds} rounds",
        ["what", "median", "first quartile", "third"],
        [
            _row("list, ms", listing, 1e3),
            _row("global log-out, ms", ending, 1e3),
            _row("refused by the other worker, ms", _elsewhere(rounds), 1e3),
            _row("Redis's slowest command, ms", slowest, 1e-3),
        ],
    )
    print(f"  slowest: {max(rounds, key=lambda each: each.slowest_command).slowest_name}")
    return verdict(
        "list and log-out within 1 s, no Redis command over 10 ms",
        kept=statistics.median(listing) <= MOST_SECONDS
        and statistics.median(ending) <= MOST_SECONDS
        and statistics.median(slowest) <= MOST_MICROSECONDS,
    )


def _elsewhere(rounds: list[Figures]) -> list[float]:
    return [each.refused_elsewhere_after for each in rounds]


def _row(name: str, values: list[float] | list[int], scale: float) -> list[str]:
    first, median, third = (value * scale for value in quartiles(values))
    return [name, *(f"{value:.1f}" for value in (median, first, third))]


if __name__ == "__main__":
    sys.exit(main())
