"""The table of people's own records about their body."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from src.core.clock import utc_now
from src.core.db import UtcDateTime, new_id


class AnatomyRecord(SQLModel, table=True):
    """What a person noted about one part of their body. `part` is a slug of the catalogue."""

    __tablename__ = "anatomy_records"
    __table_args__ = (
        Index(None, "user_id", "id"),  # the latest records
        Index(None, "user_id", "part"),  # counts, and the records of one part
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    part: str = Field(max_length=64)
    kind: str = Field(max_length=16)
    side: str = Field(max_length=8)
    severity: int | None = Field(default=None)
    started_on: date | None = Field(default=None)
    ended_on: date | None = Field(default=None)
    note: str
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
