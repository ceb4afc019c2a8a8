"""The tables of conversations."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from src.core.clock import utc_now
from src.core.db import UtcDateTime, new_id

TITLE_LENGTH: Final = 80
HASH_LENGTH: Final = 64  # SHA-256 in hexadecimal


class ChatSession(SQLModel, table=True):
    """A person's conversation. `updated_at` is its latest message's time."""

    __tablename__ = "chat_sessions"
    __table_args__ = (Index(None, "user_id", "updated_at", "id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    title: str = Field(max_length=TITLE_LENGTH)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    message_count: int = Field(default=0)


class ChatMessage(SQLModel, table=True):
    """One message of a conversation. Ids sort by time, so they are the order of reading."""

    __tablename__ = "chat_messages"
    __table_args__ = (Index(None, "session_id", "id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    session_id: UUID = Field(foreign_key="chat_sessions.id", ondelete="CASCADE")
    role: str = Field(max_length=16)
    content: str
    cut: bool = Field(default=False)  # a reply that was not finished
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class ChatRequest(SQLModel, table=True):
    """What a person's Idempotency-Key stands for, for as long as there is the conversation.

    The messages have no foreign keys here: they go with their conversation alone, and to delete
    it must not look here once for each of them.
    """

    __tablename__ = "chat_requests"

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", primary_key=True)
    key_hash: str = Field(max_length=HASH_LENGTH, primary_key=True)
    body_hash: str = Field(max_length=HASH_LENGTH)
    session_id: UUID = Field(foreign_key="chat_sessions.id", ondelete="CASCADE", index=True)
    message_id: UUID | None = Field(default=None)
    reply_id: UUID | None = Field(default=None)
