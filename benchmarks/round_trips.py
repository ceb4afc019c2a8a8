"""What Redis costs: a round trip, and how many of them a refresh takes."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from benchmarks.api import Work
from benchmarks.load import for_seconds, repeat
from benchmarks.race import Entry

CALLS = 2_000
SCRIPT = "return redis.call('INCR', KEYS[1])"
COUNTED_SECONDS = 1.0


async def microseconds(redis: Redis) -> tuple[float, float]:
    """Medians of a PING and of a script of one command, one after the other."""
    script = redis.register_script(SCRIPT)
    await script(keys=["benchmark"])  # loaded with the first call
    return await _median(redis.ping), await _median(lambda: script(keys=["benchmark"]))


async def per_refresh(entry: Entry, redis: Redis, *, at_once: int) -> float:
    """How often Redis had something to read, for each refresh of so many people.

    Commands that are sent together count once. What is read without refreshes is taken off.
    """
    clients = entry.clients[:at_once]
    before = await _reads(redis)
    await asyncio.sleep(COUNTED_SECONDS)
    background = await _reads(redis) - before
    before = await _reads(redis)
    tally = await repeat(Work.REFRESH, clients, going_on=for_seconds(COUNTED_SECONDS))
    reads = await _reads(redis) - before - background
    for client in clients:
        client.close()
    return reads / len(tally.seconds)


async def _median(call: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


async def _reads(redis: Redis) -> int:
    return int((await redis.info("stats"))["total_reads_processed"])
