"""The history of authentication: what services note becomes rows of a hash-chained table.

A service notes an event where it happens, in the middle of a transaction or not. What was noted is
written once the request's own unit of work has been committed or rolled back, in a transaction of
its own and before the answer: a refused request leaves its rows all the same. See docs/audit.md.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from src.auth.store import events
from src.auth.store.events import NewEvent
from src.core.addresses import counted_as
from src.core.clock import Clock
from src.core.db import SessionMaker
from src.core.errors import ServiceUnavailable
from src.core.logging import log_event

WRITE_SECONDS: Final = 4.0
TOLD_AGAIN_AFTER_SECONDS: Final = 60.0
MOST_REMEMBERED: Final = 10_000


class Event(StrEnum):
    """What the history tells of. Refreshes that succeed are not in it: they are too many."""

    SIGNED_UP = "signed-up"  # this one, the next and PASSWORD_CHANGED open a session
    LOGGED_IN = "logged-in"
    LOGIN_FAILED = "login-failed"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - an event's name
    PASSWORD_RESET = "password-reset"  # noqa: S105 - an event's name
    PASSWORD_REFUSED = "password-refused"  # noqa: S105 - an event's name
    SESSION_ENDED = events.SESSION_ENDED
    REFRESH_REFUSED = "refresh-refused"
    LIMIT_REACHED = "limit-reached"
    ROLE_REFUSED = "role-refused"
    USER_CHANGED = "user-changed"
    USER_SESSIONS_ENDED = "user-sessions-ended"
    CLIENT_CHANGED = "client-changed"
    CLIENT_REFUSED = "client-refused"
    SERVICE_TOKEN_ISSUED = "service-token-issued"  # noqa: S105 - an event's name

    @property
    def outcome(self) -> str:
        return "refused" if self in _REFUSALS else "success"

    @property
    def must_be_written(self) -> bool:
        """Whether the answer depends on it: nobody is let in, or given a role, untold.

        The end of a session and a refusal hold even where the history cannot be written.
        """
        return self.outcome == "success" and self is not Event.SESSION_ENDED


_REFUSALS: Final = {
    Event.LOGIN_FAILED,
    Event.PASSWORD_REFUSED,
    Event.REFRESH_REFUSED,
    Event.LIMIT_REACHED,
    Event.ROLE_REFUSED,
    Event.CLIENT_REFUSED,
}
# These cost an attacker nothing: each person and address is told of once a minute.
_CHEAP: Final = {Event.LIMIT_REACHED, Event.ROLE_REFUSED, Event.CLIENT_REFUSED}


class EndSession(Protocol):
    """Ends a session, if it lives."""

    async def __call__(self, *, user_id: UUID, session_id: str) -> None: ...


@dataclass(slots=True)
class _Trail:
    """What was noted so far, and where it happens."""

    clock: Clock
    where: dict[str, str | None]
    noted: list[tuple[Event, NewEvent]] = field(default_factory=list)


_trail: ContextVar[_Trail | None] = ContextVar("trail", default=None)


def note(
    event: Event,
    *,
    cause: str | None = None,
    user_id: UUID | None = None,
    actor_id: UUID | None = None,
    session_id: str | None = None,
    unless_ended: bool = False,
    **detail: Any,  # noqa: ANN401 - any JSON value but a float
) -> None:
    """Log an event, and keep it for the history of whoever it concerns (`user_id`).

    `actor_id` is who did it, where that is known. With `unless_ended` it is left out when the
    history tells of the session's end already. Outside of `Audit.recording` it is only logged.
    """
    trail = _trail.get()
    log_event(
        event,
        ip=trail.where["address"] if trail else None,
        cause=cause,
        user_id=str(user_id) if user_id else None,
        actor_id=str(actor_id) if actor_id and actor_id != user_id else None,
        session_id=session_id,
        **detail,
    )
    if trail is None:
        return
    new = NewEvent(
        at=trail.clock(),
        event=event,
        outcome=event.outcome,
        cause=cause,
        user_id=user_id,
        actor_id=actor_id,
        session_id=session_id,
        detail=detail,
        unless_ended=unless_ended,
        **trail.where,
    )
    trail.noted.append((event, new))


class Audit:
    """Writes what is noted to the database."""

    def __init__(self, sessionmaker: SessionMaker, *, clock: Clock) -> None:
        self._sessionmaker = sessionmaker
        self._clock = clock
        self._told_of: dict[tuple[object, ...], float] = {}
        # The chain grows by one at a time anyway: here, not in the database, a worker waits, so
        # that it takes one connection for it at most.
        self._turn = asyncio.Lock()

    def recording(
        self,
        *,
        address: str = "",
        device: str = "",
        request_id: str | None = None,
        end_session: EndSession | None = None,
    ) -> AbstractAsyncContextManager[None]:
        """Write at the block's end what was noted inside, whether it failed or not.

        Raises: `ServiceUnavailable` when that fails and access was granted; a session that was
        opened is ended by `end_session`, for nobody gets its tokens.
        """
        where = {"address": address, "device": device, "request_id": request_id}
        return _Recording(self, _Trail(self._clock, where), end_session)

    async def write(self, noted: Sequence[tuple[Event, NewEvent]], *, must: bool) -> None:
        """Add to the history. Raises: `ServiceUnavailable` when that fails, and `must` be."""
        news = [new for event, new in noted if event not in _CHEAP or self._is_news(new)]
        if not news:
            return
        try:
            async with asyncio.timeout(WRITE_SECONDS), self._turn, self._sessionmaker() as db:
                await events.append(db, news)
                await db.commit()
        except Exception as error:
            log_event("history-not-written", exception=error, rows=[asdict(new) for new in news])
            if must:
                raise ServiceUnavailable(cause=f"history: {type(error).__name__}") from error

    def _is_news(self, new: NewEvent) -> bool:
        now = time.monotonic()
        key = (new.event, new.user_id, counted_as(new.address or ""))
        if self._told_of.get(key, 0.0) > now:
            return False
        if len(self._told_of) >= MOST_REMEMBERED:
            self._told_of.clear()
        self._told_of[key] = now + TOLD_AGAIN_AFTER_SECONDS
        return True


class _Recording:
    """One block of `Audit.recording`. A class, because every refresh enters one."""

    __slots__ = ("_audit", "_end_session", "_outer", "_trail")

    def __init__(self, audit: Audit, trail: _Trail, end_session: EndSession | None) -> None:
        self._audit = audit
        self._trail = trail
        self._end_session = end_session

    async def __aenter__(self) -> None:
        self._outer = _trail.set(self._trail)

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        _trail.reset(self._outer)
        noted = self._trail.noted
        if not noted or not isinstance(error, Exception | None):
            return
        if error is not None:
            await self._audit.write(noted, must=False)
            return
        granted = [new for event, new in noted if event.must_be_written]
        try:
            await self._audit.write(noted, must=bool(granted))
        except ServiceUnavailable:
            for new in granted:
                if self._end_session and new.user_id and new.session_id:
                    await self._end_session(user_id=new.user_id, session_id=new.session_id)
            raise
