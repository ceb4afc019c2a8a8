"""A person's conversations: list, read, rename, delete."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.chat import store
from src.chat.cursors import decode_place, encode_place
from src.chat.errors import SessionNotFound
from src.chat.models import ChatSession
from src.chat.schemas import (
    Conversation,
    History,
    Message,
    SessionAnswer,
    SessionDeleted,
    SessionPage,
)


class Conversations:
    """A person's chat sessions. Methods raise `SessionNotFound` for any that is not theirs."""

    def __init__(self, db: AsyncSession) -> None:
        self._db = db

    async def list(self, *, user_id: UUID, after: str | None, limit: int) -> SessionPage:
        """Up to `limit` sessions that follow the cursor, latest activity first.

        One with new activity moves to the front; all others are listed exactly once.
        """
        found = await store.sessions_before(
            self._db,
            user_id=user_id,
            before=decode_place(after) if after else None,
            limit=limit + 1,
        )
        page = found[:limit]
        return SessionPage(
            sessions=[Conversation.model_validate(session) for session in page],
            next_cursor=_place_of(page[-1]) if len(found) > limit else None,
        )

    async def get(self, session_id: UUID, *, user_id: UUID) -> SessionAnswer:
        session = await store.session_of(self._db, session_id, user_id=user_id)
        if session is None:
            raise SessionNotFound
        return SessionAnswer(session=Conversation.model_validate(session))

    async def rename(self, session_id: UUID, *, user_id: UUID, title: str) -> SessionAnswer:
        session = await store.rename_session(self._db, session_id, user_id=user_id, title=title)
        if session is None:
            raise SessionNotFound
        return SessionAnswer(session=Conversation.model_validate(session))

    async def delete(self, session_id: UUID, *, user_id: UUID) -> SessionDeleted:
        """The messages go with their session."""
        if not await store.delete_session(self._db, session_id, user_id=user_id):
            raise SessionNotFound
        return SessionDeleted()

    async def history(
        self,
        session_id: UUID,
        *,
        user_id: UUID,
        after: UUID | None,
        limit: int,
    ) -> History:
        """Up to `limit` messages that follow the one with the id `after`, oldest first."""
        found = await store.messages_after(
            self._db,
            session_id,
            user_id=user_id,
            after=after,
            limit=limit + 1,
        )
        if not found:  # there may be nothing to read, or no such session
            await self.get(session_id, user_id=user_id)
        page = found[:limit]
        return History(
            session_id=session_id,
            messages=[Message.model_validate(message) for message in page],
            next_cursor=page[-1].id if len(found) > limit else None,
        )


def _place_of(session: ChatSession) -> str:
    return encode_place((session.updated_at, session.id))
