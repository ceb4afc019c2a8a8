"""How long others wait for their profile while fifty clients log in again and again."""

import asyncio
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.api import Work
from benchmarks.load import Client, Tally, repeat, together
from benchmarks.race import Entry

FLOODING = 50
WATCHING = 2
PAUSE_SECONDS = 0.01  # between two profiles of one client: they are not to fill the server
IDLE_SECONDS, FLOOD_SECONDS = 5.0, 10.0
FILLING_SECONDS = 1.0  # until the queue of log-ins stands


@dataclass(frozen=True)
class Flood:
    """Seconds that profiles took, and how many requests of either kind failed."""

    idle: list[float]
    flooded: list[float]
    log_ins: int
    failed: int

    @property
    def ratio(self) -> float:
        return p99(self.flooded) / p99(self.idle)


def p99(values: Sequence[float]) -> float:
    """Infinite when nobody was answered."""
    if len(values) < 2:
        return max(values, default=math.inf)
    return statistics.quantiles(values, n=100, method="inclusive")[-1]


async def flood(entry: Entry) -> Flood:
    """First without log-ins, then during them. It ends when the last of them is answered."""
    watching = entry.clients[:WATCHING]
    others = [client.person for client in entry.clients[WATCHING:]]
    api, port = entry.contestant.api, entry.server.port
    flooding = [Client(api, others[number % len(others)], port) for number in range(FLOODING)]
    idle = await watch(watching, seconds=IDLE_SECONDS)
    log_ins, flooded = await asyncio.gather(
        repeat(Work.LOG_IN, flooding, seconds=FILLING_SECONDS + FLOOD_SECONDS),
        watch(watching, after=FILLING_SECONDS, seconds=FLOOD_SECONDS),
    )
    for client in (*watching, *flooding):
        client.close()
    failed = idle.failed + log_ins.failed + flooded.failed
    return Flood(idle.seconds, flooded.seconds, len(log_ins.seconds), failed)


async def watch(clients: Sequence[Client], *, seconds: float, after: float = 0.0) -> Tally:
    """Profiles with pauses between them, for so long; the last one is waited for."""
    await asyncio.sleep(after)
    end = time.perf_counter() + seconds

    async def one(client: Client, tally: Tally) -> None:
        while time.perf_counter() < end:
            await client.do(Work.PROFILE, tally)
            await asyncio.sleep(PAUSE_SECONDS)

    return await together(clients, one)
