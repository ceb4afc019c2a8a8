"""What Redis costs: a round trip, and how many of them a refresh takes."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from redis.asyncio import Redis

from benchmarks.api import Work
from benchmarks.load import for_seconds, repeat
from benchmarks.race import Entry

CALLS = 2_000
SCRIPT = "return redis.call('INCR', KEYS[1])"
COUNTED_SECONDS = 1.0


class Asked(NamedTuple):
    """How often Redis ran a script, and how often it had something to read."""

    scripts: float
    reads: float


async def microseconds(redis: Redis) -> tuple[float, float]:
    """Medians of a PING and of a script of one command, one after the other."""
    script = redis.register_script(SCRIPT)
    await script(keys=["benchmark"])  # loaded with the first call
    return await _median(redis.ping), await _median(lambda: script(keys=["benchmark"]))


async def per_refresh(entry: Entry, redis: Redis) -> Asked:
    """What is asked of Redis for each refresh, while everybody refreshes.

    Commands that are sent together are read once. What comes without refreshes is taken off.
    """
    before = await _asked(redis)
    await asyncio.sleep(COUNTED_SECONDS)
    start = await _asked(redis)
    tally = await repeat(Work.REFRESH, entry.clients, going_on=for_seconds(COUNTED_SECONDS))
    end = await _asked(redis)
    for client in entry.clients:
        client.close()
    refreshes = len(tally.seconds)
    scripts, reads = (
        (c - b - (b - a)) / refreshes for a, b, c in zip(before, start, end, strict=True)
    )
    return Asked(scripts, reads)


async def _median(call: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


async def _asked(redis: Redis) -> Asked:
    info = await redis.info("all")
    scripts = info.get("cmdstat_evalsha", {"calls": 0})
    return Asked(int(scripts["calls"]), int(info["total_reads_processed"]))
