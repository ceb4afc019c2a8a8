"""Which access tokens are refused before they expire: a small set in every worker.

Each worker follows one stream in Redis, so a revocation reaches all of them within a second and no
request makes a Redis call. Without Redis, tokens keep verifying until they expire (ADR 4).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from redis.exceptions import RedisError

from src.auth.access_tokens import AccessClaims
from src.auth.store.revocations import Revocation, RevocationStream
from src.core.clock import Clock, utc_now
from src.core.errors import ServiceUnavailable
from src.core.identity import Identity
from src.core.logging import log_event
from src.core.metrics import NOBODY, Metrics

# What comes is there at once; this is only how long a worker that stops has to wait, for the client
# does not give up a blocking read when its task is cancelled.
WAIT: Final = timedelta(milliseconds=250)
RETRY_SECONDS: Final = 0.2
STOP_SECONDS: Final = 2.0


class Revocations:
    """The set. Entries are forgotten once no unexpired token can match them."""

    def __init__(self, *, window: timedelta, clock: Clock) -> None:
        self._window_seconds = window.total_seconds()
        self._clock = clock
        self._sessions: dict[str, float] = {}  # id → when it may be forgotten
        self._users: dict[UUID, float] = {}  # id → tokens issued before this are refused
        self._forgot_at = 0.0
        self.version = 0

    def refuses(self, claims: AccessClaims | Identity) -> bool:
        if claims.session_id in self._sessions:
            return True
        not_before = self._users.get(claims.user_id)
        return not_before is not None and claims.issued_at.timestamp() < not_before

    def has(self, session_id: str) -> bool:
        return session_id in self._sessions

    def add(self, revocations: Iterable[Revocation]) -> None:
        """They are dated by Redis's clock, tokens by ours: where these differ, both must do."""
        now = self._clock().timestamp()
        for each in revocations:
            seconds = each.at_ms / 1000
            if each.session_id is not None:
                until = max(seconds, now) + self._window_seconds
                self._sessions[each.session_id] = max(
                    until,
                    self._sessions.get(each.session_id, 0.0),
                )
            elif each.user_id is not None:
                # `iat` has whole seconds. Tokens of the same second are refused by session.
                self._users[each.user_id] = max(
                    float(int(min(seconds, now))),
                    self._users.get(each.user_id, 0.0),
                )
            else:
                continue
            self.version += 1

    def forget_outlived(self) -> None:
        """Bounds the memory: nothing stays longer than the life of an access token."""
        now = self._forgot_at = self._clock().timestamp()
        before = len(self._sessions) + len(self._users)
        self._sessions = {k: v for k, v in self._sessions.items() if v > now}
        self._users = {k: v for k, v in self._users.items() if v + self._window_seconds > now}
        if len(self._sessions) + len(self._users) != before:
            self.version += 1

    def forgot_too_early(self) -> bool:
        """Whether our clock was set back since: tokens that had expired are good again."""
        return self._clock().timestamp() < self._forgot_at - 1.0

    def document(self) -> dict[str, Any]:
        """The set for services that verify tokens themselves; seconds since the epoch."""
        return {
            "sessions": {k: int(v) for k, v in self._sessions.items()},
            "users": {str(k): int(v) for k, v in self._users.items()},
        }


class RevocationFeed:
    """Publishes revocations and follows those of the other workers.

    `forget` is told of every user whose profile may have changed.
    """

    def __init__(
        self,
        stream: RevocationStream,
        revocations: Revocations,
        *,
        forget: Callable[[UUID], None],
        clock: Clock = utc_now,
        metrics: Metrics = NOBODY,
    ) -> None:
        self._stream = stream
        self._revocations = revocations
        self._forget = forget
        self._clock = clock
        self._metrics = metrics
        self._know(caught_up=False)

    def _know(self, *, caught_up: bool) -> None:
        self.caught_up = caught_up
        self._metrics.revocations_caught_up(caught_up=caught_up)

    async def publish(self, session_ids: Sequence[str], *, user_id: UUID | None = None) -> None:
        """Refuse these here at once and elsewhere within a second.

        Raises: `ServiceUnavailable`; repeating it is harmless.
        """
        if session_ids or user_id:
            self._take(await self._stream.publish(session_ids, user_id=user_id))

    async def publish_change(self, user_id: UUID) -> None:
        """Forget this user's profile everywhere, after the change was committed.

        Where Redis is away, the others go by theirs for the second that it is remembered.
        """
        self._forget(user_id)
        with suppress(ServiceUnavailable):
            await self._stream.publish_change(user_id)

    def _take(self, revocations: Sequence[Revocation]) -> None:
        self._revocations.add(revocations)
        for each in revocations:
            changed = each.changed_user_id or each.user_id
            if changed:
                self._forget(changed)

    def untold(self, session_ids: Sequence[str]) -> list[str]:
        """Those of which no worker has told this one, itself included."""
        return [each for each in session_ids if not self._revocations.has(each)]

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the stream for as long as the block runs.

        The block starts with the set complete where Redis answers; else it is completed later.
        """
        with suppress(RedisError, OSError):
            await self._catch_up()
        stopped = asyncio.Event()
        task = asyncio.create_task(self._follow(stopped))
        try:
            yield
        finally:
            stopped.set()
            task.cancel()
            await asyncio.wait([task], timeout=STOP_SECONDS)

    async def _catch_up(self) -> str:
        """Read all that still matters; the id to follow on from. Raises: RedisError."""
        missed, last_id = await self._stream.still_mattering()
        self._take(missed)
        self._know(caught_up=True)
        return last_id

    async def _follow(self, stopped: asyncio.Event) -> None:
        """After an outage everything is read again: the stream may be another one."""
        last_id: str | None = None
        while not stopped.is_set():
            try:
                last_id = last_id or await self._catch_up()
                came, last_id = await self._stream.after(last_id, wait=WAIT)
                self._take(came)
                self._tell_lag(came)
                if self._revocations.forgot_too_early():
                    last_id = None
                self._revocations.forget_outlived()
            except (RedisError, OSError) as error:
                if self.caught_up:
                    log_event("revocations-interrupted", cause=type(error).__name__)
                last_id = None
                self._know(caught_up=False)
                await asyncio.sleep(RETRY_SECONDS)

    def _tell_lag(self, came: Iterable[Revocation]) -> None:
        """By two clocks, Redis's and ours: what looks as if it came early came at once."""
        now = self._clock().timestamp()
        for each in came:
            self._metrics.revocation_arrived(max(0.0, now - each.at_ms / 1000))
