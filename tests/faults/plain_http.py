"""HTTP over plain sockets: a client that costs so little that only the server is measured.

It reads what our own server writes, a `Content-Length` to every body, and nothing else.
"""

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.processes.workers import Workers

LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and the seconds that it took from the first byte sent."""

    status: int
    head: bytes  # in lower case
    body: bytes
    seconds: float

    def json(self) -> dict[str, str]:
        document: dict[str, str] = json.loads(self.body)
        return document


class Connection:
    """One connection that is kept, for one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> Answer:
        """Raises: `asyncio.IncompleteReadError` or OSError when the server hangs up."""
        started = time.perf_counter()
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status, at = int(head[9:12]), head.find(LENGTH)
        length = int(head[at + len(LENGTH) : head.index(b"\r\n", at)]) if at > 0 else 0
        body = await self._reader.readexactly(length)
        return Answer(status, head, body, time.perf_counter() - started)

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connections(workers: Workers, count: int) -> AsyncIterator[list[Connection]]:
    """So many connections, opened one after the other, to the workers in turn."""
    opened: list[Connection] = []
    try:
        for number in range(count):
            base = urlsplit(workers.workers[number % len(workers.workers)].base)
            opened.append(Connection(*await asyncio.open_connection(base.hostname, base.port)))
        yield opened
    finally:
        for each in opened:
            each.close()


def request(method: str, path: str, *, access_token: str = "", **document: object) -> bytes:
    """One request of HTTP/1.1, with a JSON body where there are members for it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if access_token:
        lines.append(f"Authorization: Bearer {access_token}")
    body = json.dumps(document).encode() if document else b""
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def profile(access_token: str) -> bytes:
    return request("GET", "/auth/me", access_token=access_token)


def verification(access_token: str) -> bytes:
    return request("POST", "/auth/verify", access_token=access_token)


def refreshment(refresh_token: str) -> bytes:
    return request("POST", "/auth/refresh", refresh_token=refresh_token)


async def all_at_once(
    opened: list[Connection],
    requests: Iterable[bytes],
) -> list[Answer]:
    """The answers to one request on each connection, all sent before the first is answered."""
    pairs = zip(opened, requests, strict=True)
    return await asyncio.gather(*(connection.ask(one) for connection, one in pairs))


async def keep_asking(
    connection: Connection,
    one: bytes,
    is_over: Callable[[], bool],
    *,
    pause_seconds: float,
) -> list[Answer]:
    """The answers to one request that is repeated until it is over, at least once."""
    answers = [await connection.ask(one)]
    while not is_over():
        await asyncio.sleep(pause_seconds)
        answers.append(await connection.ask(one))
    return answers


def statuses(answers: Iterable[Answer]) -> dict[int, int]:
    """How many answers there are of each status."""
    return dict(sorted(Counter(answer.status for answer in answers).items()))


def slowest_but(percent: int, answers: Iterable[Answer]) -> float:
    """Seconds: all answers but this many percent of them were there by then."""
    waits = [answer.seconds for answer in answers]
    return statistics.quantiles(waits, n=100, method="inclusive")[99 - percent]
