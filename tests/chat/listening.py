"""Responses that are read while they are sent, which httpx's transport for applications cannot."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
from starlette.types import ASGIApp, Message

from tests.factories import Person
from tests.features import Somebody

Event = tuple[str, Any]

PATIENCE_SECONDS = 20.0


class Stream:
    """The events of a response, as they come."""

    def __init__(self) -> None:
        self.status = 0
        self.headers = httpx.Headers()
        self.raw = b""
        self._came: asyncio.Queue[bytes] = asyncio.Queue()
        self._takes_more = asyncio.Event()
        self._takes_more.set()
        self.left = asyncio.Event()
        self.ended = asyncio.Event()

    async def chunk(self) -> bytes:
        """What comes next. Raises: EOFError after the last."""
        chunk = await asyncio.wait_for(self._came.get(), PATIENCE_SECONDS)
        if not chunk:
            raise EOFError
        return chunk

    async def next(self) -> Event:
        """The name and document of the next event. Raises: EOFError after the last."""
        chunk = b":"
        while chunk.startswith(b":"):
            chunk = await self.chunk()
        event, data = chunk.decode().removesuffix("\n\n").split("\n", 1)
        return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    async def silence(self) -> None:
        """A comment, where an event would be."""
        chunk = await self.chunk()
        assert chunk.startswith(b":")
        assert chunk.endswith(b"\n\n")

    async def rest(self) -> list[Event]:
        events = []
        try:
            while True:
                events.append(await self.next())
        except EOFError:
            return events

    def leave(self) -> None:
        """As a client that closes its connection."""
        self.left.set()

    def take_no_more(self) -> None:
        """As a client that stays and does not read."""
        self._takes_more.clear()

    async def take(self, message: Message) -> None:
        await self._takes_more.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = httpx.Headers(message["headers"])
        else:
            self.raw += message.get("body", b"")
            await self._came.put(message.get("body", b""))


StreamKind = TypeVar("StreamKind", bound=Stream)


def app_of(client: httpx.AsyncClient) -> ASGIApp:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    return transport.app


@asynccontextmanager
async def listening(
    chat: httpx.AsyncClient,
    person: Somebody | Person,
    message: str,
    *,
    key: str | None = None,
    **members: Any,
) -> AsyncIterator[Stream]:
    """Say something with `Accept: text/event-stream`; whoever leaves the block hangs up."""
    headers = {**person.authorization, "Accept": "text/event-stream"}
    if key:
        headers["Idempotency-Key"] = key
    request = chat.build_request(
        "POST", "/chat/message", json={"message": message, **members}, headers=headers
    )
    async with answering(chat, request, Stream()) as stream:
        yield stream


@asynccontextmanager
async def answering(
    client: httpx.AsyncClient, request: httpx.Request, stream: StreamKind
) -> AsyncIterator[StreamKind]:
    """Ask for a stream; whoever leaves the block hangs up."""
    bodies: list[Message] = [{"type": "http.request", "body": request.content, "more_body": False}]

    async def receive() -> Message:
        if not bodies:
            await stream.left.wait()
            return {"type": "http.disconnect"}
        return bodies.pop()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},  # as Uvicorn says
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }

    async def answer() -> None:
        await app_of(client)(scope, receive, stream.take)

    answer_sent = asyncio.create_task(answer())
    answer_sent.add_done_callback(lambda _: stream.ended.set())
    try:
        yield stream
    finally:
        stream.leave()
        await asyncio.wait_for(answer_sent, PATIENCE_SECONDS)
