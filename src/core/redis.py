"""The Redis client: one short deadline, outages as problems."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Final, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError as ReadOnly
from redis.exceptions import RedisError

from src.core.errors import ServiceUnavailable
from src.core.metrics import metrics
from src.core.redis_groups import ASKING_SECONDS, cluster, parse_group, sentinel_master

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
FAILURES: Final = (RedisError, TimeoutError)
COMMON_OPTIONS: Final[dict[str, Any]] = {
    "decode_responses": True,
    "driver_info": None,  # it would look up redis-py's version on disk for every connection
}


def build_redis(redis_url: str) -> Redis:
    """A client for any URL of docs/operations.md. It connects with the first command.

    Raises: `ValueError` for a URL that it cannot read.
    """
    group = parse_group(redis_url)
    if group is not None and not group.service:
        return cluster(
            group,
            max_connections=MAX_CONNECTIONS,
            # Shorter than the deadline: only a time-out of the library's makes it ask the other
            # nodes who has become master. The rest is for asking and for a second attempt.
            socket_timeout=DEADLINE_SECONDS / 2,
            socket_connect_timeout=ASKING_SECONDS,
            **COMMON_OPTIONS,
        )
    options: dict[str, Any] = {
        "max_connections": MAX_CONNECTIONS,
        "socket_connect_timeout": LAST_RESORT_SECONDS,
        # A connection that was cut, or whose server is no master any more, is made again once:
        # every command of ours is safe to repeat.
        "retry": Retry(NoBackoff(), retries=1, supported_errors=(RedisConnectionError, ReadOnly)),
        **COMMON_OPTIONS,
    }
    if group is not None:
        options["socket_timeout"] = LAST_RESORT_SECONDS
        return sentinel_master(group, wait=LAST_RESORT_SECONDS, **options)
    # No time-out of the library's for each read and write: `reach` has the deadline.
    return Redis.from_pool(_WaitingPool.from_url(redis_url, socket_timeout=None, **options))


def build_follower(redis_url: str, *, wait: timedelta) -> Redis:
    """A client for one blocking read at a time, which lasts up to `wait`.

    Raises: `ValueError` for a URL that it cannot read.
    """
    group = parse_group(redis_url)
    options: dict[str, Any] = {
        "max_connections": 1,
        "socket_timeout": wait.total_seconds() + DEADLINE_SECONDS,
        "socket_connect_timeout": DEADLINE_SECONDS,
        **COMMON_OPTIONS,
    }
    if group is not None and not group.service:
        return cluster(group, **options)
    options["retry"] = Retry(NoBackoff(), retries=0)
    if group is not None:
        return sentinel_master(group, wait=DEADLINE_SECONDS, **options)
    return Redis.from_url(redis_url, **options)


class _WaitingPool(ConnectionPool):
    """A pool in which commands take turns where its connections are all in use.

    The library's own that waits takes as long for a turn as Redis for a command.
    """

    def __init__(self, max_connections: int, **options: Any) -> None:  # noqa: ANN401 - the library's
        super().__init__(max_connections=max_connections, **options)
        self._turns = asyncio.Semaphore(max_connections)

    async def get_connection(self, *_: object, **__: object) -> AbstractConnection:
        await self._turns.acquire()
        try:
            connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self._turns.release()
            raise
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        try:
            await super().release(connection)
        finally:
            self._turns.release()


async def reach(reply: Awaitable[T]) -> T:
    """Await a Redis reply for `DEADLINE_SECONDS` at most.

    Raises: `ServiceUnavailable` when Redis is away, frozen or refuses.
    """
    try:
        return await within_deadline(reply)
    except FAILURES as error:
        raise unavailable(error) from error


def unavailable(error: Exception) -> ServiceUnavailable:
    """What a failure of Redis is to clients; the metrics are told of it."""
    metrics().redis_unavailable()
    return ServiceUnavailable(cause=f"redis: {type(error).__name__}")


async def within_deadline(reply: Awaitable[T]) -> T:
    """Await something for `DEADLINE_SECONDS` at most.

    Raises: `TimeoutError`.
    """
    async with asyncio.timeout(None) as timeout:
        deadline = _Ticks(asyncio.get_running_loop(), timeout)
        try:
            return await reply
        finally:
            deadline.stop()


class _Ticks:
    """A deadline in ticks: while the event loop stands still, one tick passes at most.

    On a busy machine a reply can lie unread for longer than Redis may take to send it, and that
    must not look like an outage.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: asyncio.Timeout) -> None:
        self._loop = loop
        self._timeout = timeout
        self._left = TICKS
        self._start()

    def _start(self) -> None:
        self._timer = self._loop.call_later(DEADLINE_SECONDS / TICKS, self._tick)

    def _tick(self) -> None:
        self._left -= 1
        if self._left:
            self._start()
        else:
            self._timeout.reschedule(self._loop.time())

    def stop(self) -> None:
        self._timer.cancel()
