"""Sessions in Redis: one script, and so one round trip at most, for each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_urlsafe
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis

from src.auth.refresh_tokens import KEY_HASH_BYTES, PresentedRefreshToken
from src.auth.store import keys
from src.core.redis import reach
from src.core.redis_scripts import load_script

SCRIPTS = "src.auth.store.lua"
MAX_DEVICE_BYTES = 64
# Reading the replies takes the event loop, not Redis: a deadline for each part measures Redis.
LISTED_AT_ONCE: Final = 1_000
CAP: Final = "cap"  # the cause of an end by a newer log-in

_LISTED_FIELDS = ["a", "r", "d", "ip"]


class Verdict(StrEnum):
    """What became of a presented refresh token; rules in lua/rotate.lua."""

    ROTATED = "ROTATED"
    REPLAY = "REPLAY"
    ENDED = "ENDED"
    EXPIRED = "EXPIRED"
    REUSE = "REUSE"
    AHEAD = "AHEAD"
    FORGED = "FORGED"

    @property
    def ended_a_live_session(self) -> bool:
        return self in (Verdict.REUSE, Verdict.AHEAD, Verdict.FORGED)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long sessions and spent tokens live, and how many sessions a user may have.

    An end is remembered as long as access tokens of the session live: until it is told, they are
    not refused.
    """

    idle: timedelta
    absolute: timedelta
    grace: timedelta
    recovery: timedelta
    remembered: timedelta
    sessions_per_user: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A session as opened; times in ms since the epoch, by Redis's clock.

    Those that the cap ended lately are named again.
    """

    issued_at_ms: int
    expires_at_ms: int
    ended_by_cap: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session as its owner sees it; times in ms since the epoch."""

    session_id: str
    logged_in_at_ms: int
    last_used_at_ms: int
    expires_at_ms: int
    device: str
    address: str


@dataclass(frozen=True, slots=True)
class Rotation:
    """The outcome of a refresh; times (ms) only for ROTATED and REPLAY, else 0."""

    verdict: Verdict
    issued_at_ms: int = 0
    expires_at_ms: int = 0

    @property
    def granted(self) -> bool:
        return self.verdict in (Verdict.ROTATED, Verdict.REPLAY)


class SessionStore:
    """Live sessions. Every method raises `ServiceUnavailable` when Redis is away.

    Every command is safe to repeat, so a lost answer costs nothing: what ended a session answers
    the same for as long as its end is remembered.
    """

    def __init__(self, redis: Redis, lifetimes: Lifetimes) -> None:
        self._redis = redis
        self._lifetimes = lifetimes
        self._remembered_ms = _milliseconds(lifetimes.remembered)
        self._terms_ms = [
            _milliseconds(each)
            for each in (lifetimes.idle, lifetimes.absolute, lifetimes.grace, lifetimes.recovery)
        ]
        self._issue = load_script(redis, SCRIPTS, "issue.lua")
        self._rotate = load_script(redis, SCRIPTS, "rotate.lua")
        self._end_all = load_script(redis, SCRIPTS, "end_all.lua")
        self._end = load_script(redis, SCRIPTS, "end.lua")

    async def issue(
        self,
        *,
        user_id: UUID,
        session_id: str,
        jti_hash: str,
        device: str,
        address: str,
    ) -> Opened:
        """Open a session at generation 0; beyond the cap the user's oldest sessions end."""
        lifetimes = self._lifetimes
        now, expires, *ended = await self._issue(
            [*_keys(user_id, session_id), keys.ended_lately(user_id, CAP)],
            [
                session_id,
                jti_hash,
                _milliseconds(lifetimes.idle),
                _milliseconds(lifetimes.absolute),
                lifetimes.sessions_per_user,
                _shortened(device),
                address,
                self._remembered_ms,
            ],
        )
        return Opened(int(now), int(expires), tuple(ended))

    async def rotate(self, presented: PresentedRefreshToken, *, key_hash: str) -> Rotation:
        """Exchange a token for its successor, by the rules of lua/rotate.lua."""
        if not key_hash and not self._lifetimes.grace:
            # Without grace, the second attempt after a lost answer would look like a thief's.
            key_hash = token_urlsafe(KEY_HASH_BYTES)
        return await self._judge(presented, key_hash=key_hash, only_look=False)

    async def look_at(self, presented: PresentedRefreshToken) -> Rotation:
        """What would become of a token now, by the same rules; nothing changes.

        The times are those of the session as it is.
        """
        return await self._judge(presented, key_hash="", only_look=True)

    async def _judge(
        self,
        presented: PresentedRefreshToken,
        *,
        key_hash: str,
        only_look: bool,
    ) -> Rotation:
        link = presented.link
        arguments: list[str | int] = [
            link.session_id,
            link.generation,
            link.jti_hash,
            link.parent_hash,
            presented.successor.jti_hash,
            *self._terms_ms,
            key_hash,
            "look" if only_look else "",
            self._remembered_ms,
        ]
        verdict, *times = await self._rotate(_keys(link.user_id, link.session_id), arguments)
        return Rotation(Verdict(verdict), *(int(time) for time in times))

    async def live_ids(self, *, user_id: UUID, at: datetime) -> set[str]:
        """Ids of a user's sessions that have neither ended nor expired."""
        after = f"({int(at.timestamp() * 1000)}"
        found = await reach(
            self._redis.zrangebyscore(keys.session_index(user_id), after, "+inf"),
        )
        return set(map(str, found))

    async def end(self, *, user_id: UUID, session_id: str) -> bool:
        """End one session; False when it had ended otherwise, or so long ago that none matters."""
        ended = await self._end(_keys(user_id, session_id), [session_id, self._remembered_ms])
        return bool(ended)

    async def end_all(
        self,
        *,
        user_id: UUID,
        cause: str,
        only_if_alive: str = "",
        keep: str = "",
    ) -> list[str]:
        """End a user's sessions, all or all but `keep`; the ids of those that ended for the cause.

        No more of them end when the session `only_if_alive` has ended.
        """
        ended: list[str] = await self._end_all(
            [keys.session_index(user_id), keys.ended_lately(user_id, cause)],
            [only_if_alive, keep, self._remembered_ms],
        )
        return ended

    async def live(self, *, user_id: UUID) -> list[LiveSession]:
        """A user's sessions, the most recently used first; two round trips."""
        index: list[Any] = [
            *await reach(
                self._redis.zrange(keys.session_index(user_id), 0, -1, desc=True, withscores=True),
            ),
        ]
        rows: list[Any] = []
        for start in range(0, len(index), LISTED_AT_ONCE):
            part = [each for each, _ in index[start : start + LISTED_AT_ONCE]]
            rows += await reach(self._details(user_id, part))
        return [
            LiveSession(session_id, int(a), int(r), int(expires), device, address)
            for (session_id, expires), (a, r, device, address) in zip(index, rows, strict=True)
            if a is not None
        ]

    async def _details(self, user_id: UUID, session_ids: Sequence[str]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for session_id in session_ids:
                pipeline.hmget(keys.session(user_id, session_id), _LISTED_FIELDS)
            return list(await pipeline.execute())


def _keys(user_id: UUID, session_id: str) -> list[str]:
    return [keys.session_index(user_id), keys.session(user_id, session_id)]


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


def _shortened(device: str) -> str:
    """At most 64 bytes, so that the hash keeps its compact encoding."""
    return device.encode()[:MAX_DEVICE_BYTES].decode(errors="ignore")
