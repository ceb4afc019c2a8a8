"""How soon a stream's first event is there, and two hundred streams at once in one worker.

    python -m benchmarks.chat_streams [--requests 300] [--streams 200]

The first with the application as it is, asked by one client after the other; the second with a
responder that says a word every 100 ms. On SQLite and on PostgreSQL, with real processes.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time

import httpx

from benchmarks.table import print_table, verdict
from tests.conftest import migrate
from tests.factories import Person, sign_up
from tests.processes.workers import Worker, server_environment, worker_processes
from tests.servers import running_postgresql, running_redis

MOST_MILLISECONDS = 50.0
WORDS = 60  # six seconds: longer than it takes to open all
QUESTION = "Where is the patella, and what does it do?"


def request(client: httpx.AsyncClient, person: Person) -> httpx.Request:
    return client.build_request(
        "POST",
        "/chat/message",
        json={"message": QUESTION},
        headers={**person.authorization, "Accept": "text/event-stream"},
    )


async def first_events(worker: Worker, count: int) -> list[float]:
    """Milliseconds from sending a request to its first event, one request after the other."""
    taken = []
    async with httpx.AsyncClient(base_url=worker.base, trust_env=False) as client:
        person = await sign_up(client)
        for number in range(count + count // 10):
            started = time.perf_counter()
            response = await client.send(request(client, person), stream=True)
            events = response.aiter_lines()
            name = await anext(events)
            elapsed = time.perf_counter() - started
            assert name == "event: message", name
            async for _ in events:  # read to the end, so that the connection is used again
                pass
            if number >= count // 10:  # those before warm up
                taken.append(elapsed * 1e3)
    return taken


class OpenStreams:
    """How many there were at once, and how they ended."""

    def __init__(self) -> None:
        self.open = 0
        self.most = 0
        self.whole = 0

    async def listen(self, client: httpx.AsyncClient, person: Person) -> None:
        last, words = "", 0
        response = await client.send(request(client, person), stream=True)
        self.open += 1
        self.most = max(self.most, self.open)
        async for line in response.aiter_lines():
            words += line == "event: delta"
            last = line.removeprefix("data: ") if line.startswith("data: ") else last
        self.open -= 1
        self.whole += words == WORDS and not json.loads(last)["reply"]["cut"]


async def at_once(worker: Worker, count: int) -> OpenStreams:
    limits = httpx.Limits(max_connections=None)
    streams = OpenStreams()
    async with httpx.AsyncClient(
        base_url=worker.base, trust_env=False, limits=limits, timeout=30
    ) as client:
        person = await sign_up(client)
        await asyncio.gather(*(streams.listen(client, person) for _ in range(count)))
    return streams


def measure(
    database_url: str, redis_url: str, requests: int, streams: int
) -> tuple[list[float], OpenStreams]:
    migrate(database_url, "head")
    environment = server_environment(database_url=database_url, redis_url=redis_url)
    with worker_processes(1, environment) as (worker,):
        taken = asyncio.run(first_events(worker, requests))
    paced = {**environment, "PACED_WORDS": str(WORDS)}
    with worker_processes(1, paced, app="tests.chat.paced:app") as (worker,):
        return taken, asyncio.run(at_once(worker, streams))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--streams", type=int, default=200)
    options = parser.parse_args()
    rows, kept = [], True
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgresql() as postgresql_url,
        running_redis() as redis,
    ):
        urls = {"SQLite": f"sqlite+aiosqlite:///{folder}/chat.db", "PostgreSQL": postgresql_url}
        for name, url in urls.items():
            taken, streams = measure(url, redis.url, options.requests, options.streams)
            p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[-1]
            whole = f"{streams.whole} of {options.streams}"
            rows.append([name, f"{p50:.1f} ms", f"{p99:.1f} ms", streams.most, whole])
            kept &= p99 <= MOST_MILLISECONDS and streams.whole == options.streams
    print_table(
        f"The first event of {options.requests} streams in turn; {options.streams} at once",
        ["database", "p50", "p99", "open at once", "whole"],
        rows,
    )
    return verdict(
        f"first event within {MOST_MILLISECONDS:.0f} ms, {options.streams} at once are whole",
        kept=kept,
    )


if __name__ == "__main__":
    sys.exit(main())
