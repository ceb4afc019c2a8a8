"""The table of accounts."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from src.core.clock import utc_now
from src.core.db import UtcDateTime, new_id

ADMIN: Final = "admin"  # the one role with a meaning of its own


class User(SQLModel, table=True):
    """A person's account. `*_key` columns are the normal forms that uniqueness is decided on."""

    __tablename__ = "users"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    email: str = Field(max_length=320)
    email_key: str = Field(max_length=320, unique=True)
    username: str | None = Field(default=None, max_length=32)
    username_key: str | None = Field(default=None, max_length=32, unique=True)
    password_hash: str = Field(max_length=255)
    email_verified: bool = Field(default=False)
    is_active: bool = Field(default=True)
    roles: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    last_login_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
