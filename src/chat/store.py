"""Conversations in SQL. Whose they are is part of every query."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ScalarSelect, delete, tuple_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.chat.models import ChatMessage, ChatRequest, ChatSession


async def add_session(db: AsyncSession, *, user_id: UUID, title: str) -> ChatSession:
    """Raises: `sqlalchemy.exc.IntegrityError` when there is no such user."""
    session = ChatSession(user_id=user_id, title=title)
    db.add(session)
    await db.flush()
    return session


async def session_of(db: AsyncSession, session_id: UUID, *, user_id: UUID) -> ChatSession | None:
    """A person's session; None when they have no such session."""
    statement = select(ChatSession).where(
        ChatSession.id == session_id,
        ChatSession.user_id == user_id,
    )
    return (await db.exec(statement)).one_or_none()


async def sessions_before(
    db: AsyncSession,
    *,
    user_id: UUID,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[ChatSession]:
    """A person's sessions, latest activity first, from the one after (`updated_at`, `id`) on."""
    place = tuple_(col(ChatSession.updated_at), col(ChatSession.id))
    statement = (
        select(ChatSession)
        .where(ChatSession.user_id == user_id)
        .order_by(col(ChatSession.updated_at).desc(), col(ChatSession.id).desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(place < before)
    return (await db.exec(statement)).all()


async def lock_session(
    db: AsyncSession,
    session_id: UUID,
    *,
    user_id: UUID,
) -> ChatSession | None:
    """A person's session, which nobody else changes or deletes until the commit.

    None when they have no such session. An update that changes nothing: SQLite knows no other way.
    """
    statement = (
        update(ChatSession)
        .where(col(ChatSession.id) == session_id, col(ChatSession.user_id) == user_id)
        .values(updated_at=ChatSession.updated_at)
        .returning(ChatSession)
    )
    return (await db.exec(statement)).scalar_one_or_none()


async def rename_session(
    db: AsyncSession,
    session_id: UUID,
    *,
    user_id: UUID,
    title: str,
) -> ChatSession | None:
    """None when they have no such session."""
    statement = (
        update(ChatSession)
        .where(col(ChatSession.id) == session_id, col(ChatSession.user_id) == user_id)
        .values(title=title)
        .returning(ChatSession)
    )
    return (await db.exec(statement)).scalar_one_or_none()


async def delete_session(db: AsyncSession, session_id: UUID, *, user_id: UUID) -> bool:
    """With its messages; False when they have no such session."""
    statement = (
        delete(ChatSession)
        .where(col(ChatSession.id) == session_id, col(ChatSession.user_id) == user_id)
        .returning(col(ChatSession.id))
    )
    return (await db.exec(statement)).one_or_none() is not None


async def add_message(db: AsyncSession, session: ChatSession, message: ChatMessage) -> ChatMessage:
    """Add a message to a session that the caller has just added or locked."""
    session.message_count += 1
    session.updated_at = message.created_at
    db.add(message)
    await db.flush()
    return message


async def message_of(db: AsyncSession, message_id: UUID, *, user_id: UUID) -> ChatMessage | None:
    """A message of one of a person's sessions."""
    statement = (
        select(ChatMessage)
        .join(ChatSession)
        .where(ChatMessage.id == message_id, ChatSession.user_id == user_id)
    )
    return (await db.exec(statement)).one_or_none()


async def messages_before(
    db: AsyncSession,
    message: ChatMessage,
    *,
    user_id: UUID,
    limit: int,
) -> Sequence[ChatMessage]:
    """The last messages of a person's session before this one, oldest first."""
    statement = (
        select(ChatMessage)
        .where(
            col(ChatMessage.session_id) == _own_session(message.session_id, user_id),
            ChatMessage.id < message.id,
        )
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
) -> Sequence[ChatMessage]:
    """Messages of a person's session, oldest first; none when they have no such session."""
    statement = (
        select(ChatMessage)
        .where(col(ChatMessage.session_id) == _own_session(session_id, user_id))
        .order_by(col(ChatMessage.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(ChatMessage.id > after)
    return (await db.exec(statement)).all()


async def request_of(db: AsyncSession, key_hash: str, *, user_id: UUID) -> ChatRequest | None:
    """What a person's Idempotency-Key stands for."""
    statement = select(ChatRequest).where(
        ChatRequest.user_id == user_id,
        ChatRequest.key_hash == key_hash,
    )
    return (await db.exec(statement)).one_or_none()


async def add_request(db: AsyncSession, request: ChatRequest) -> None:
    """Raises: `sqlalchemy.exc.IntegrityError` when the key stands for another one already."""
    db.add(request)
    await db.flush()


def _own_session(session_id: UUID, user_id: UUID) -> ScalarSelect[UUID]:
    """The session's id where it is the person's, else NULL, which equals nothing.

    As a value and not as a join, so that the messages' index gives the order without a sort.
    """
    statement = select(ChatSession.id).where(
        ChatSession.id == session_id,
        ChatSession.user_id == user_id,
    )
    return statement.scalar_subquery()
