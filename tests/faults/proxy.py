"""A TCP proxy in front of Redis that cuts connections at a chosen moment of a command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

CHUNK_BYTES = 65_536
COMMAND = b"EVALSHA"


class Moment(StrEnum):
    """When a connection is cut."""

    BEFORE = "before the command reaches Redis"
    AFTER = "after the command, before its reply"
    MID_REPLY = "in the middle of the reply"


class CuttingProxy:
    """Passes everything on, but for the scripts that it has been told to cut."""

    def __init__(self, redis_port: int) -> None:
        self.port = 0
        self.cuts = 0
        self._redis_port = redis_port
        self._armed: Moment | None = None
        self._spared = self._times = 0
        self._connections: set[asyncio.Task[None]] = set()

    def cut_next(self, moment: Moment, *, times: int, after: int = 0) -> None:
        """When `after` scripts have run, the next `times` lose their connection at this moment."""
        self._armed, self._times, self._spared = moment, times, after

    def disarm(self) -> None:
        self._armed = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["CuttingProxy"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in [*self._connections]:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", self._redis_port)
        with suppress(OSError, asyncio.CancelledError):
            await self._serve(reader, writer, redis_reader, redis_writer)
        for each in (writer, redis_writer):
            each.close()
        self._connections.discard(task)

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        redis_reader: asyncio.StreamReader,
        redis_writer: asyncio.StreamWriter,
    ) -> None:
        """Requests and replies take turns on a connection of a client that does not pipeline."""
        replies = asyncio.create_task(_pass_on(redis_reader, writer))
        try:
            while data := await reader.read(CHUNK_BYTES):
                moment = self._moment_for(data)
                if moment is Moment.BEFORE:
                    return
                if moment is not None:
                    replies.cancel()
                    await asyncio.gather(replies, return_exceptions=True)
                redis_writer.write(data)
                if moment is not None:
                    reply = await redis_reader.read(CHUNK_BYTES)
                    if moment is Moment.MID_REPLY:
                        writer.write(reply[: len(reply) // 2])
                        await writer.drain()
                    return
        finally:
            replies.cancel()
            await asyncio.gather(replies, return_exceptions=True)

    def _moment_for(self, data: bytes) -> Moment | None:
        if self._armed is None or COMMAND not in data:
            return None
        if self._spared:
            self._spared -= 1
            return None
        self.cuts += 1
        self._times -= 1
        moment = self._armed
        if not self._times:
            self.disarm()
        return moment


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.close()
