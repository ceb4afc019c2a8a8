"""The stream of revocations in Redis, which every worker follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from src.auth.store import keys
from src.core.redis_scripts import load_script

SCRIPTS = "src.auth.store.lua"
PUBLISHED_AT_ONCE = 500
READ_AT_ONCE = 1_000

StreamEntry = tuple[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Revocation:
    """A session or a user (all tokens issued before `at_ms`) that is refused from now on.

    Or only the news that a user's profile has changed (`changed_user_id`): nothing is refused.
    """

    at_ms: int
    session_id: str | None = None
    user_id: UUID | None = None
    changed_user_id: UUID | None = None


class RevocationStream:
    """Publishes and reads revocations. Publishing raises `ServiceUnavailable`; reading, RedisError.

    The reader has a client of its own: it waits longer for an answer than any request may.
    """

    def __init__(self, redis: Redis, reader: Redis, *, window: timedelta) -> None:
        self._reader = reader
        self._revoke = load_script(redis, SCRIPTS, "revoke.lua")
        self._window_ms = int(window.total_seconds() * 1000)

    async def publish(
        self,
        session_ids: Sequence[str],
        *,
        user_id: UUID | None = None,
    ) -> list[Revocation]:
        """Tell every worker. Repeating it is harmless."""
        user = str(user_id) if user_id else ""
        published: list[Revocation] = []
        for start in range(0, max(1, len(session_ids)), PUBLISHED_AT_ONCE):
            some = session_ids[start : start + PUBLISHED_AT_ONCE]
            now = int(await self._revoke([keys.revocations()], [self._window_ms, user, "", *some]))
            published += [Revocation(now, session_id=session_id) for session_id in some]
            if user:
                published.append(Revocation(now, user_id=user_id))
                user = ""
        return published

    async def publish_change(self, user_id: UUID) -> None:
        """Tell every worker that a user's profile has changed."""
        await self._revoke([keys.revocations()], [self._window_ms, "", str(user_id)])

    async def still_mattering(self) -> tuple[list[Revocation], str]:
        """Everything that is in the stream, and the id to follow on from."""
        found: list[Revocation] = []
        last_id = "0-0"
        while entries := await self._read(last_id, block=None):
            found += map(_parsed, entries)
            last_id = entries[-1][0]
        return found, last_id

    async def after(self, last_id: str, *, wait: timedelta) -> tuple[list[Revocation], str]:
        """What came after an entry, waiting for it for a while; may be nothing."""
        entries = await self._read(last_id, block=int(wait.total_seconds() * 1000))
        return [_parsed(entry) for entry in entries], entries[-1][0] if entries else last_id

    async def _read(self, last_id: str, *, block: int | None) -> list[StreamEntry]:
        reply: Any = await self._reader.xread(
            {keys.revocations(): last_id},
            count=READ_AT_ONCE,
            block=block,
        )
        return list(reply[0][1]) if reply else []


def _parsed(entry: StreamEntry) -> Revocation:
    entry_id, fields = entry
    at_ms = int(entry_id.partition("-")[0])
    if "u" in fields:
        return Revocation(at_ms, user_id=UUID(fields["u"]))
    if "c" in fields:
        return Revocation(at_ms, changed_user_id=UUID(fields["c"]))
    return Revocation(at_ms, session_id=fields["s"])
