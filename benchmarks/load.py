"""The clients: as cheap as Python allows, on a core of their own, one request at a time each."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.api import Api, Person, Work

MOST_SECONDS = 600.0  # longer than any slice, and any queue of a flood on a busy machine
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 is a connection that broke."""

    status: int
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive. Answers must announce their length."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: asyncio.Future[Answer] | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes) -> Awaitable[Answer]:
        """The answer to a request that is sent now."""
        assert self._transport is not None
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head + b"\r\n")
        if length is not None and len(body) < int(length[1]):
            return
        assert length is not None or not body, head
        if _CLOSES.search(head + b"\r\n"):
            self.close()
        self._settle(Answer(int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._settle(Answer(0))

    def _settle(self, answer: Answer) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)


@dataclass
class Tally:
    """What came of the requests of some clients."""

    seconds: list[float] = field(default_factory=list)  # of those that succeeded
    failed: int = 0
    last_failure: Answer | None = None

    def add(self, answer: Answer, seconds: float) -> None:
        if answer.is_success:
            self.seconds.append(seconds)
        else:
            self.failed += 1
            self.last_failure = answer


class Client:
    """A person with a connection. They come from an address of their own, as people do."""

    def __init__(self, api: Api, person: Person, port: int) -> None:
        self._api = api
        self.person = person
        self._port = port
        self._connection = Connection()

    async def connect(self) -> None:
        self._connection.close()
        loop = asyncio.get_running_loop()
        _, self._connection = await loop.create_connection(
            Connection, "127.0.0.1", self._port, local_addr=(self.person.address, 0)
        )

    def is_able_to(self, work: Work) -> bool:
        """Not when it has shown every token that nobody had seen."""
        return work is not Work.VERIFY_UNSEEN or bool(self.person.unseen_tokens)

    async def do(self, work: Work, tally: Tally) -> None:
        """One request and what follows from its answer: the next tokens of the session."""
        if work is Work.SIGN_UP:
            self.person.move()
            self.close()
        elif work is Work.VERIFY_UNSEEN:
            self.person.access_token = self.person.unseen_tokens.pop()
        request = self._api.request(work, self.person)
        started = time.perf_counter()
        if not self._connection.is_open:
            await self.connect()
        answer = await self._connection.ask(request)
        tally.add(answer, time.perf_counter() - started)
        if answer.is_success:
            self._api.learn(work, self.person, answer.body)

    def close(self) -> None:
        self._connection.close()


async def together(
    clients: Sequence[Client],
    each: Callable[[Client, Tally], Awaitable[None]],
) -> Tally:
    """Let all clients do something at the same time. Raises: TimeoutError."""
    tally = Tally()
    async with asyncio.timeout(MOST_SECONDS):
        await asyncio.gather(*(each(client, tally) for client in clients))
    return tally


async def repeat(
    work: Work,
    clients: Sequence[Client],
    *,
    going_on: Callable[[], bool],
) -> Tally:
    """Every client does the work again and again, as long as it can and this says so."""

    async def one(client: Client, tally: Tally) -> None:
        while going_on() and client.is_able_to(work):
            await client.do(work, tally)

    return await together(clients, one)


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Whether that time, from now on, has not passed."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


async def once(work: Work, clients: Sequence[Client]) -> Tally:
    async def one(client: Client, tally: Tally) -> None:
        await client.do(work, tally)

    return await together(clients, one)
