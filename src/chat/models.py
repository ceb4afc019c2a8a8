"""The tables of conversations."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from src.core.clock import utc_now
from src.core.db import UtcDateTime, new_id

TITLE_LENGTH: Final = 80


class ChatSession(SQLModel, table=True):
    """A person's conversation. `updated_at` is its latest message's time."""

    __tablename__ = "chat_sessions"
    __table_args__ = (Index(None, "user_id", "updated_at"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    title: str = Field(max_length=TITLE_LENGTH)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class ChatMessage(SQLModel, table=True):
    """One message of a conversation. Ids sort by time, so they are the order of reading."""

    __tablename__ = "chat_messages"
    __table_args__ = (Index(None, "session_id", "id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    session_id: UUID = Field(foreign_key="chat_sessions.id", ondelete="CASCADE")
    role: str = Field(max_length=16)
    content: str
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
