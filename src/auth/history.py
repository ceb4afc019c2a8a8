"""The history of authentication as people read it."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.audit import Audit
from src.auth.models import AuthEvent
from src.auth.schemas import AuditedEventList, AuditedEventView, EventList, EventView
from src.auth.session_history import EXPIRED, note_ended
from src.auth.sessions import Sessions
from src.auth.store import events
from src.core.clock import Clock
from src.core.errors import ServiceUnavailable

HIGHEST_SEQ: Final = 2**63 - 1


class History:
    """Pages of the history, newest first."""

    def __init__(
        self,
        db: AsyncSession,
        *,
        sessions: Sessions,
        audit: Audit,
        clock: Clock,
        idle: timedelta,
    ) -> None:
        self._db = db
        self._sessions = sessions
        self._audit = audit
        self._clock = clock
        self._idle = idle

    async def own(self, user_id: UUID, *, before: UUID | None, limit: int) -> EventList:
        """What happened to one user's account, the sessions that have expired since included."""
        with suppress(ServiceUnavailable):  # then they are told of at the next reading
            await self._note_expired(user_id)
        page, next_cursor = await self._page(user_id, before, limit)
        return EventList(
            events=[EventView.model_validate(row) for row in page],
            next_cursor=next_cursor,
        )

    async def of_all(
        self,
        user_id: UUID | None,
        *,
        before: UUID | None,
        limit: int,
    ) -> AuditedEventList:
        """What happened to everybody, or to one user, with all that is recorded of it."""
        page, next_cursor = await self._page(user_id, before, limit)
        return AuditedEventList(
            events=[AuditedEventView.model_validate(row) for row in page],
            next_cursor=next_cursor,
        )

    async def _note_expired(self, user_id: UUID) -> None:
        """Nobody is there when a session expires: here its owner comes to look."""
        opened_before = self._clock() - self._idle
        untold = await events.open_sessions(
            self._db,
            user_id=user_id,
            opened_before=opened_before,
        )
        await self._db.commit()  # what is noted is written by a transaction of its own
        if not untold:
            return
        expired = await self._sessions.gone(untold, user_id=user_id)
        async with self._audit.recording():
            note_ended(expired, user_id=user_id, cause=EXPIRED)

    async def _page(
        self,
        user_id: UUID | None,
        before: UUID | None,
        limit: int,
    ) -> tuple[Sequence[AuthEvent], UUID | None]:
        """Cursors are UUIDs everywhere: here one whose 128 bits are the last row's number."""
        found = await events.newest(
            self._db,
            user_id=user_id,
            before=min(before.int, HIGHEST_SEQ) if before else None,
            limit=limit + 1,  # one more tells whether there is a next page
        )
        page = found[:limit]
        return page, UUID(int=page[-1].seq) if len(found) > limit else None
