"""The tables of support threads. Their owners are users of Better Auth, not of ours."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import JSON, Column, Index
from sqlmodel import Field, SQLModel

from src.core.clock import utc_now
from src.core.db import UtcDateTime, new_id

TITLE_LENGTH: Final = 255


class SupportThread(SQLModel, table=True):
    """A conversation of a Better Auth user, whose id is text and refers to no table of ours."""

    __tablename__ = "support_threads"
    __table_args__ = (Index(None, "user_id", "id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    user_id: str
    title: str = Field(max_length=TITLE_LENGTH)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class SupportItem(SQLModel, table=True):
    """One message of a thread. Ids sort by time, so they are the order of reading.

    `details` is what ChatKit sent of a user's message and gets back as it was. `question_id` is
    which message a reply is to; without a foreign key, because both go with their thread alone.
    """

    __tablename__ = "support_items"
    __table_args__ = (Index(None, "thread_id", "id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    thread_id: UUID = Field(foreign_key="support_threads.id", ondelete="CASCADE")
    role: str = Field(max_length=16)
    content: str  # in plain text
    details: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    question_id: UUID | None = Field(default=None)
    cut: bool = Field(default=False)  # a reply that was not finished
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class SupportFeedback(SQLModel, table=True):
    """What the user thinks of an item: `positive` or `negative`, the latest word."""

    __tablename__ = "support_feedback"

    item_id: UUID = Field(foreign_key="support_items.id", ondelete="CASCADE", primary_key=True)
    kind: str = Field(max_length=16)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
