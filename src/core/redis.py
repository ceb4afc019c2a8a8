"""The Redis client: short time-outs, one retry, scripts from package data, outages as problems."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from importlib.resources import files
from typing import Any, Protocol, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from src.core.errors import ServiceUnavailable

T = TypeVar("T")

# A client gets its 503 within a second. Two attempts fit into the deadline; but waiting for a
# connection and making one have time-outs of their own, which only the deadline bounds together.
ATTEMPT_SECONDS = 0.35
DEADLINE_SECONDS = 0.75
MAX_CONNECTIONS = 100


class Script(Protocol):
    """A Lua script that Redis runs as one atomic step."""

    def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> Awaitable[Any]: ...


def build_redis(redis_url: str) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`. It connects with the first command."""
    pool = BlockingConnectionPool.from_url(
        redis_url,
        decode_responses=True,
        max_connections=MAX_CONNECTIONS,
        timeout=ATTEMPT_SECONDS,
        socket_timeout=ATTEMPT_SECONDS,
        socket_connect_timeout=ATTEMPT_SECONDS,
        # Every command that we send is safe to repeat (see store/lua).
        retry=Retry(NoBackoff(), retries=1),
    )
    return Redis.from_pool(pool)


def build_follower(redis_url: str, *, wait: timedelta) -> Redis:
    """A client of one connection for blocking reads that last up to `wait`."""
    seconds = wait.total_seconds() + ATTEMPT_SECONDS
    return Redis.from_url(
        redis_url,
        decode_responses=True,
        max_connections=1,
        socket_timeout=seconds,
        socket_connect_timeout=ATTEMPT_SECONDS,
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
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await reply
    except (RedisError, TimeoutError) as error:
        raise ServiceUnavailable(cause=f"redis: {type(error).__name__}") from error
