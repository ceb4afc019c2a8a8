"""The history of authentication as people read it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.models import AuthEvent
from src.auth.schemas import AuditedEventList, AuditedEventView, EventList, EventView
from src.auth.store import events

HIGHEST_SEQ: Final = 2**63 - 1


class History:
    """Pages of the history, newest first."""

    def __init__(self, db: AsyncSession) -> None:
        self._db = db

    async def own(self, user_id: UUID, *, before: UUID | None, limit: int) -> EventList:
        """What happened to one user's account."""
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
