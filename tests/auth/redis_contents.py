"""What is in Redis, and how often it was asked."""

from typing import Any

from redis.asyncio import Redis

from tests.factories import Person


async def index_of(redis: Redis, person: Person) -> dict[str, float]:
    """The person's live sessions and when they expire."""
    entries: Any = await redis.zrange(f"auth:{{{person.user['id']}}}:i", 0, -1, withscores=True)
    return dict(entries)


async def stored_text(redis: Redis, name: str) -> str:
    """Everything under a key, whatever its type."""
    match await redis.type(name):
        case "hash":
            return str(await redis.hgetall(name))
        case "zset":
            return str(await redis.zrange(name, 0, -1))
        case "stream":
            return str(await redis.xrange(name))
        case other:
            raise AssertionError(f"{name} is a {other!r}")


async def calls(redis: Redis) -> int:
    """Commands so far, but for those of workers that wait for revocations, and this one."""
    stats = await redis.info("commandstats")
    not_counted = {"cmdstat_xread", "cmdstat_info"}
    return sum(each["calls"] for name, each in stats.items() if name not in not_counted)
