"""Whether a refresh takes Redis longer when it holds a million sessions.

    python -m benchmarks.refresh_at_scale [--many 1000000] [--rounds 20]

Two servers on one core, asked in turn by a client on another, so that whatever else the machine
does burdens both alike. The client takes most of the time, so what Redis itself says of its scripts
is shown as well, on average.
"""

import argparse
import asyncio
import os
import random
import secrets
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

from benchmarks.race import LOAD_CORES, SERVER_CORES
from benchmarks.table import print_table, quartiles, verdict
from src.auth.key_ring import KeyRing, SigningKey
from src.auth.refresh_tokens import TOKEN_TYPE, PresentedRefreshToken, RefreshTokens
from src.auth.store.sessions import Lifetimes, SessionStore, Verdict
from src.core.clock import utc_now
from src.core.redis import build_redis
from tests.loading import CAP, LoadedSessions, load
from tests.servers import RedisServer, running_redis

FEW = 1_000
MOST_RATIO = 1.15
EACH_ROUND = 40  # of a thousand sessions each is refreshed once: 20 rounds, and some to warm up
LIFETIMES = Lifetimes(
    idle=timedelta(days=7),
    absolute=timedelta(days=30),
    grace=timedelta(seconds=30),
    recovery=timedelta(hours=24),
    remembered=timedelta(minutes=15),
    sessions_per_user=CAP,
)


def presented(sessions: LoadedSessions, how_many: int) -> list[PresentedRefreshToken]:
    """The tokens of sessions anywhere in the server's memory, ready to be rotated."""
    ring = KeyRing(SigningKey(secret=secrets.token_urlsafe(48), token_type=TOKEN_TYPE))
    tokens = RefreshTokens(ring, issuer="i", audience="a", clock=utc_now)
    now = datetime.now(UTC)
    times = {"issued_at": now, "expires_at": now + timedelta(days=1)}
    numbers = random.Random(1).sample(range(sessions.count), how_many)  # noqa: S311 - no key
    links = [sessions.link(number) for number in numbers]
    return [tokens.parse(tokens.encode(x, key=tokens.active_key, **times)) for x in links]


async def rotate(store: SessionStore, token: PresentedRefreshToken) -> float:
    """Seconds that one refresh took Redis and its client."""
    started = time.perf_counter()
    rotation = await store.rotate(token, key_hash="k" * 22)
    elapsed = time.perf_counter() - started
    assert rotation.verdict is Verdict.ROTATED, rotation
    return elapsed


async def measure(servers: list[RedisServer], counts: list[int], rounds: int) -> list[list[float]]:
    """Medians of each round, in seconds, for each server."""
    clients = [build_redis(server.url) for server in servers]
    stores = [SessionStore(client, LIFETIMES) for client in clients]
    tokens = [presented(LoadedSessions(n), (rounds + 2) * EACH_ROUND) for n in counts]
    medians: list[list[float]] = [[] for _ in servers]
    for number in range(rounds + 2):  # the first two warm up
        taken: list[list[float]] = [[] for _ in servers]
        for index in range(number * EACH_ROUND, (number + 1) * EACH_ROUND):
            for which in (0, 1) if index % 2 else (1, 0):
                taken[which].append(await rotate(stores[which], tokens[which][index]))
        if number > 1:
            for which, each in enumerate(taken):
                medians[which].append(statistics.median(each))
    for client in clients:
        await client.aclose()
    return medians


def script_seconds(server: RedisServer) -> float:
    """What one call of a script took Redis on average. Source: its INFO, in microseconds."""
    return float(server.ask("INFO", "commandstats")["cmdstat_evalsha"]["usec_per_call"]) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    counts = [FEW, options.many]
    os.sched_setaffinity(0, SERVER_CORES)  # inherited by the servers
    with running_redis() as small, running_redis() as large:
        os.sched_setaffinity(0, LOAD_CORES)
        for server, count in zip((small, large), counts, strict=True):
            load(server, LoadedSessions(count))
            server.ask("CONFIG", "RESETSTAT")
        few, many = asyncio.run(measure([small, large], counts, options.rounds))
        scripts = [script_seconds(server) for server in (small, large)]
    ratios = [b / a for a, b in zip(few, many, strict=True)]
    print_table(
        f"Refresh, {options.rounds} rounds of {EACH_ROUND} in turn",
        ["sessions", "p50", "first quartile", "third"],
        [_row(f"{n:,}", m, 1e6, "µs") for n, m in zip(counts, (few, many), strict=True)]
        + [_row("ratio", ratios, 1, "")]
        + [
            [f"in Redis alone, {n:,}", f"{seconds * 1e6:.0f} µs", "", ""]
            for n, seconds in zip(counts, scripts, strict=True)
        ],
    )
    kept = statistics.median(ratios) <= MOST_RATIO
    return verdict(f"p50 grows by a factor of at most {MOST_RATIO}", kept=kept)


def _row(name: str, values: list[float], scale: float, unit: str) -> list[str]:
    first, median, third = (value * scale for value in quartiles(values))
    digits = 0 if unit else 3
    return [name, *(f"{value:.{digits}f} {unit}".strip() for value in (median, first, third))]


if __name__ == "__main__":
    sys.exit(main())
