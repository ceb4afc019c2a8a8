"""The Redis client: one short deadline, scripts from package data, outages as problems."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.resources import files
from typing import Any, Protocol, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from src.core.errors import ServiceUnavailable

T = TypeVar("T")

# A client gets its 503 within a second. One deadline covers waiting for a connection, making it and
# the command; a second attempt at a server that is frozen would only halve the time for the first.
DEADLINE_SECONDS = 0.75
TICKS = 3
# The library's own time-outs measure our stalls as well; they are only the last resort.
LAST_RESORT_SECONDS = 5.0
# A command takes Redis well under a millisecond: waiting for a connection is cheaper than making
# more of them, which in a burst costs the event loop longer than an attempt may take.
MAX_CONNECTIONS = 20


class Script(Protocol):
    """A Lua script that Redis runs as one atomic step."""

    def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> Awaitable[Any]: ...


def build_redis(redis_url: str) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`. It connects with the first command."""
    pool = BlockingConnectionPool.from_url(
        redis_url,
        decode_responses=True,
        max_connections=MAX_CONNECTIONS,
        timeout=LAST_RESORT_SECONDS,
        driver_info=None,  # it would look up redis-py's version on disk for every connection
        socket_timeout=LAST_RESORT_SECONDS,
        socket_connect_timeout=LAST_RESORT_SECONDS,
        # A connection that was cut is made again once: every command of ours is safe to repeat.
        retry=Retry(NoBackoff(), retries=1, supported_errors=(RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


def build_follower(redis_url: str, *, wait: timedelta) -> Redis:
    """A client of one connection for blocking reads that last up to `wait`."""
    seconds = wait.total_seconds() + DEADLINE_SECONDS
    return Redis.from_url(
        redis_url,
        decode_responses=True,
        max_connections=1,
        socket_timeout=seconds,
        socket_connect_timeout=DEADLINE_SECONDS,
        retry=Retry(NoBackoff(), retries=0),
    )


def load_script(redis: Redis, package: str, name: str) -> Script:
    """A script of package data, ready to call: EVALSHA, and EVAL only where Redis forgot it."""
    return redis.register_script(script_source(package, name))


def script_source(package: str, name: str) -> str:
    """The text of a Lua script that is kept beside the code that calls it."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


async def reach(reply: Awaitable[T]) -> T:
    """Await a Redis reply for `DEADLINE_SECONDS` at most.

    Raises: `ServiceUnavailable` when Redis is away, frozen or refuses.
    """
    try:
        async with _deadline():
            return await reply
    except (RedisError, TimeoutError) as error:
        raise ServiceUnavailable(cause=f"redis: {type(error).__name__}") from error


@asynccontextmanager
async def _deadline() -> AsyncIterator[None]:
    """Like `asyncio.timeout`, in ticks: while the event loop stands still, one tick passes at most.

    On a busy machine a reply can lie unread for longer than Redis may take to send it, and that
    must not look like an outage.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as timeout:
        ticks = _Ticks(loop, lambda: timeout.reschedule(loop.time()))
        try:
            yield
        finally:
            ticks.stop()


class _Ticks:
    """Calls back once, after `TICKS` timers of the loop that follow one another."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._left = TICKS
        self._start()

    def _start(self) -> None:
        self._timer = self._loop.call_later(DEADLINE_SECONDS / TICKS, self._tick)

    def _tick(self) -> None:
        self._left -= 1
        if self._left:
            self._start()
        else:
            self._callback()

    def stop(self) -> None:
        self._timer.cancel()
