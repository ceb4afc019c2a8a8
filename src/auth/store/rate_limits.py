"""What is counted in Redis for the limits: the attempts of the last while, one script a step."""

from collections.abc import Mapping
from dataclasses import dataclass

from redis.asyncio import Redis

from src.core.redis_scripts import load_script
from src.core.usage import Limit

SCRIPTS = "src.auth.store.lua"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a limit has left, and the ms until it has more; 0 when nothing is counted."""

    remaining: int
    more_in_ms: int


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether every limit had room, and where each one stands now, in their order."""

    admitted: bool
    standings: tuple[Standing, ...]


class RateLimitStore:
    """Sliding windows by Redis's clock. Methods raise `ServiceUnavailable` when Redis is away.

    `limits` are those of one attempt by their keys, which have one hash tag.
    """

    def __init__(self, redis: Redis) -> None:
        self._limit = load_script(redis, SCRIPTS, "limit.lua")

    async def take(self, attempt_id: str, limits: Mapping[str, Limit]) -> Decision:
        """Count an attempt under all of the limits, or under none when one is used up."""
        return await self._step("take", attempt_id, limits)

    async def give_back(self, attempt_id: str, limits: Mapping[str, Limit]) -> Decision:
        """Forget an attempt."""
        return await self._step("give-back", attempt_id, limits)

    async def _step(self, step: str, attempt_id: str, limits: Mapping[str, Limit]) -> Decision:
        arguments: list[str | int] = [step, attempt_id]
        for limit in limits.values():
            arguments += [limit.quota, int(limit.window.total_seconds() * 1000)]
        room, *numbers = await self._limit([*limits], arguments)
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return Decision(bool(room), tuple(Standing(int(r), int(ms)) for r, ms in pairs))
