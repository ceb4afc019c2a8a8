"""Lua scripts in Redis. Calls that begin together go there together: docs/adr/0012."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, Protocol

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from src.core.redis import FAILURES, reach, unavailable, within_deadline
from src.core.redis_groups import is_cluster

# It takes Redis some milliseconds: the last of a batch waits hardly longer than alone.
MOST_TOGETHER: Final = 100


class Script(Protocol):
    """A Lua script that Redis runs as one atomic step.

    Raises: `ServiceUnavailable` when Redis is away, frozen or refuses.
    """

    def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> Awaitable[Any]: ...


def load_script(redis: Redis, package: str, name: str) -> Script:
    """A script of package data, ready to call: EVALSHA, and EVAL only where Redis forgot it."""
    source = script_source(package, name)
    return _one_by_one(redis, source) if is_cluster(redis) else _Together(redis, source)


def script_source(package: str, name: str) -> str:
    """The text of a Lua script that is kept beside the code that calls it."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    return sha1(source.encode(), usedforsecurity=False).hexdigest()


def _one_by_one(redis: Redis, source: str) -> Script:
    """For a cluster, where every key has a server of its own."""
    digest = _digest(source)

    async def evaluate(keys: Sequence[str], args: Sequence[str | int]) -> Any:  # noqa: ANN401
        # Not the library's Script: it would send SCRIPT LOAD to every master of a cluster, and fail
        # where one of them is away.
        try:
            return await redis.evalsha(digest, len(keys), *keys, *args)
        except NoScriptError:
            return await redis.eval(source, len(keys), *keys, *args)

    async def run(keys: Sequence[str], args: Sequence[str | int]) -> Any:  # noqa: ANN401
        return await reach(evaluate(keys, args))

    return run


def _packed(*words: str | int) -> bytes:
    packed: bytes = pack_command(words)  # type: ignore[arg-type]  # it says: of one word
    return packed


@dataclass(slots=True)
class _Call:
    """A call under way. `reply` becomes what Redis says, or the error in its place."""

    arguments: tuple[str | int, ...]
    command: bytes
    reply: asyncio.Future[Any]

    def answer(self, reply: object) -> None:
        if not self.reply.done():  # else whoever called has left
            self.reply.set_result(reply)


class _Together:
    """Calls that begin in the same turn of the event loop share a connection and a deadline."""

    def __init__(self, redis: Redis, source: str) -> None:
        self._pool = redis.connection_pool
        self._source = source
        self._digest = _digest(source)
        self._gathering: list[_Call] = []
        self._batches: set[asyncio.Task[None]] = set()  # the loop itself forgets them

    async def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> Any:  # noqa: ANN401
        arguments = (len(keys), *keys, *args)
        command = _packed("EVALSHA", self._digest, *arguments)
        call = _Call(arguments, command, asyncio.get_running_loop().create_future())
        self._gather(call)
        reply = await call.reply
        if isinstance(reply, FAILURES):
            raise unavailable(reply) from reply
        if isinstance(reply, Exception):
            raise reply  # a mistake of ours
        return reply

    def _gather(self, call: _Call) -> None:
        if not self._gathering or len(self._gathering) == MOST_TOGETHER:
            self._gathering = []
            # It begins when all else that is ready now has had its turn.
            batch = asyncio.create_task(self._send(self._gathering))
            self._batches.add(batch)
            batch.add_done_callback(self._batches.discard)
        self._gathering.append(call)

    async def _send(self, calls: list[_Call]) -> None:
        self._gathering = []
        try:
            await within_deadline(self._exchange(calls))
        except Exception as error:  # noqa: BLE001 - whoever called raises it
            for call in calls:
                call.answer(error)

    async def _exchange(self, calls: list[_Call]) -> None:
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            # Only those without an answer are sent once more, and they are safe to repeat.
            await connection.retry.call_with_retry(
                lambda: self._ask(connection, calls),
                lambda _: connection.disconnect(),
            )
        except BaseException:
            await connection.disconnect(nowait=True)  # replies may still be due in it
            raise
        finally:
            await self._pool.release(connection)

    async def _ask(self, connection: AbstractConnection, calls: list[_Call]) -> None:
        while asked := [call for call in calls if not call.reply.done()]:
            await connection.send_packed_command([call.command for call in asked])
            for call in asked:
                try:
                    call.answer(await connection.read_response())
                except NoScriptError:
                    call.command = _packed("EVAL", self._source, *call.arguments)
                except ReadOnlyError:
                    raise  # no master any more
                except ResponseError as error:
                    call.answer(error)
