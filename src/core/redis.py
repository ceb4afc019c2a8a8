"""The Redis client: one short deadline, scripts from package data, outages as problems."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, Protocol, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import ReadOnlyError as ReadOnly

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
COMMON_OPTIONS: Final[dict[str, Any]] = {
    "decode_responses": True,
    "driver_info": None,  # it would look up redis-py's version on disk for every connection
}


class Script(Protocol):
    """A Lua script that Redis runs as one atomic step."""

    def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> Awaitable[Any]: ...


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
        "socket_timeout": LAST_RESORT_SECONDS,
        "socket_connect_timeout": LAST_RESORT_SECONDS,
        # A connection that was cut, or whose server is no master any more, is made again once:
        # every command of ours is safe to repeat.
        "retry": Retry(NoBackoff(), retries=1, supported_errors=(RedisConnectionError, ReadOnly)),
        **COMMON_OPTIONS,
    }
    if group is not None:
        return sentinel_master(group, wait=LAST_RESORT_SECONDS, **options)
    pool = BlockingConnectionPool.from_url(redis_url, timeout=LAST_RESORT_SECONDS, **options)
    return Redis.from_pool(pool)


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


def load_script(redis: Redis, package: str, name: str) -> Script:
    """A script of package data, ready to call: EVALSHA, and EVAL only where Redis forgot it."""
    source = script_source(package, name)
    digest = sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def run(keys: Sequence[str], args: Sequence[str | int]) -> Any:  # noqa: ANN401
        # Not the library's Script: it would send SCRIPT LOAD to every master of a cluster, and fail
        # where one of them is away.
        arguments = [*keys, *map(str, args)]
        try:
            return await redis.evalsha(digest, len(keys), *arguments)
        except NoScriptError:
            return await redis.eval(source, len(keys), *arguments)

    return run


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
        metrics().redis_unavailable()
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
