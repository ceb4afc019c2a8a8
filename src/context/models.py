"""The table of what customers' services remember of their own users."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import JSON, Column, Index
from sqlmodel import Field, SQLModel

from src.core.clock import utc_now
from src.core.db import UtcDateTime, new_id

USER_ID_LENGTH: Final = 128


class Memory(SQLModel, table=True):
    """Something that a customer's service noted about one of the customer's users.

    `customer_id` comes from a service token. `user_id` is the customer's own name for somebody,
    such as a phone number; it means nothing elsewhere and is no user of ours.
    """

    __tablename__ = "memories"
    __table_args__ = (Index(None, "customer_id", "user_id", "id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    customer_id: str = Field(max_length=64)
    user_id: str = Field(max_length=USER_ID_LENGTH)
    text: str
    # SQLAlchemy keeps the attribute `metadata` for itself.
    details: dict[str, Any] | None = Field(default=None, sa_column=Column("metadata", JSON))
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
