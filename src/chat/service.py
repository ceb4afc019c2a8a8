"""Conversations: say something, get a reply, read it all again."""

from typing import Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from src.chat import store
from src.chat.errors import SessionNotFound
from src.chat.models import TITLE_LENGTH, ChatMessage
from src.chat.responder import Responder, Role, Turn
from src.chat.schemas import Exchange, History, Message
from src.core.clock import utc_now
from src.core.errors import InvalidToken

REMEMBERED_TURNS: Final = 20
UNTITLED: Final = "New conversation"


class Conversations:
    """A person's chat sessions. Methods raise `SessionNotFound` for any that is not theirs."""

    def __init__(self, db: AsyncSession, *, responder: Responder) -> None:
        self._db = db
        self._responder = responder

    async def send(self, *, user_id: UUID, message: str, session_id: UUID | None) -> Exchange:
        """Store a message, in a new session when none is named, and the reply to it.

        The message is kept even if no reply comes. Raises: `InvalidToken` for an unknown user.
        """
        if session_id is None:
            session_id = await self._open(user_id, message)
        else:
            await self._touch(session_id, user_id)
        history = await self._history(session_id, user_id)
        sent = await self._add(session_id, "user", message)
        await self._db.commit()  # hands the connection back while the responder thinks
        pieces = self._responder(user_id=user_id, question=message, history=history)
        answer = "".join([piece async for piece in pieces])
        await self._touch(session_id, user_id)
        reply = await self._add(session_id, "assistant", answer)
        return Exchange(
            session_id=session_id,
            message=Message.model_validate(sent),
            reply=Message.model_validate(reply),
        )

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
        if found is None:
            raise SessionNotFound
        page = found[:limit]
        return History(
            session_id=session_id,
            messages=[Message.model_validate(message) for message in page],
            next_cursor=page[-1].id if len(found) > limit else None,
        )

    async def _open(self, user_id: UUID, first_message: str) -> UUID:
        title = " ".join(first_message.split())[:TITLE_LENGTH].rstrip() or UNTITLED
        try:
            session = await store.add_session(self._db, user_id=user_id, title=title)
        except IntegrityError as error:
            raise InvalidToken(cause="user is unknown") from error
        return session.id

    async def _touch(self, session_id: UUID, user_id: UUID) -> None:
        if not await store.touch_session(self._db, session_id, user_id=user_id, at=utc_now()):
            raise SessionNotFound

    async def _history(self, session_id: UUID, user_id: UUID) -> list[Turn]:
        latest = await store.latest_messages(
            self._db,
            session_id,
            user_id=user_id,
            limit=REMEMBERED_TURNS,
        )
        messages = map(Message.model_validate, latest)
        return [Turn(role=message.role, content=message.content) for message in messages]

    async def _add(self, session_id: UUID, role: Role, content: str) -> ChatMessage:
        return await store.add_message(
            self._db,
            session_id=session_id,
            role=role,
            content=content,
        )
