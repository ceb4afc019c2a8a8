"""Conversations in SQL. Whose they are is part of every query."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.chat.models import ChatMessage, ChatSession


async def add_session(db: AsyncSession, *, user_id: UUID, title: str) -> ChatSession:
    """Raises: `sqlalchemy.exc.IntegrityError` when there is no such user."""
    session = ChatSession(user_id=user_id, title=title)
    db.add(session)
    await db.flush()
    return session


async def touch_session(
    db: AsyncSession,
    session_id: UUID,
    *,
    user_id: UUID,
    at: datetime,
) -> bool:
    """Note activity in a person's session; False when they have no such session.

    Nobody else can delete the session between this and the commit.
    """
    statement = (
        update(ChatSession)
        .where(col(ChatSession.id) == session_id, col(ChatSession.user_id) == user_id)
        .values(updated_at=at)
        .returning(col(ChatSession.id))
    )
    return (await db.exec(statement)).one_or_none() is not None


async def add_message(
    db: AsyncSession,
    *,
    session_id: UUID,
    role: str,
    content: str,
) -> ChatMessage:
    """Add a message to a session that the caller has just added or touched."""
    message = ChatMessage(session_id=session_id, role=role, content=content)
    db.add(message)
    await db.flush()
    return message


async def latest_messages(
    db: AsyncSession,
    session_id: UUID,
    *,
    user_id: UUID,
    limit: int,
) -> Sequence[ChatMessage]:
    """The last messages of a person's session, oldest first."""
    statement = (
        select(ChatMessage)
        .join(ChatSession)
        .where(ChatSession.id == session_id, ChatSession.user_id == user_id)
        .order_by(col(ChatMessage.id).desc())
        .limit(limit)
    )
    return list(reversed((await db.exec(statement)).all()))


async def messages_after(
    db: AsyncSession,
    session_id: UUID,
    *,
    user_id: UUID,
    after: UUID | None,
    limit: int,
) -> Sequence[ChatMessage] | None:
    """Messages of a person's session, oldest first; None when they have no such session."""
    belongs = col(ChatMessage.session_id) == col(ChatSession.id)
    if after is not None:
        belongs &= col(ChatMessage.id) > after
    # The outer join tells an empty page (one row without a message) from no session (no row).
    statement = (
        select(ChatSession.id, ChatMessage)
        .join(ChatMessage, belongs, isouter=True)
        .where(ChatSession.id == session_id, ChatSession.user_id == user_id)
        .order_by(col(ChatMessage.id))
        .limit(limit)
    )
    rows = (await db.exec(statement)).all()
    return [message for _, message in rows if message is not None] if rows else None
