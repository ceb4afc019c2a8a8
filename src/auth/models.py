"""The tables of accounts and of what happened to them."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel

from src.core.clock import utc_now
from src.core.db import UtcDateTime, new_id

CLIENT_NAME_LENGTH: Final = 64
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


class ServiceClient(SQLModel, table=True):
    """A program that authenticates with a secret of its own; `id` is its `client_id`.

    With a `customer_id` it gets service tokens for that customer. `may_introspect`: it may ask
    about tokens, and end the sessions that they belong to.
    """

    __tablename__ = "service_clients"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = Field(max_length=CLIENT_NAME_LENGTH)
    secret_hash: str = Field(max_length=64)
    customer_id: str | None = Field(default=None, max_length=64)
    may_introspect: bool = Field(default=False)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class AuthEvent(SQLModel, table=True):
    """One row of the history (docs/audit.md). Rows are added, never changed or removed.

    `user_id` is whom it concerns, `actor_id` who did it. Neither is a foreign key: the history
    outlives the account.
    """

    __tablename__ = "auth_events"
    __table_args__ = (Index(None, "user_id", "seq"), Index(None, "session_id"))

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: datetime = Field(sa_type=UtcDateTime)
    event: str = Field(max_length=64)
    outcome: str = Field(max_length=64)
    cause: str | None = Field(max_length=64)
    user_id: UUID | None
    actor_id: UUID | None
    session_id: str | None = Field(max_length=64)
    address: str = Field(max_length=64)
    device: str = Field(max_length=64)
    request_id: str | None = Field(max_length=64)
    detail: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    previous_hash: str = Field(max_length=64)
    hash: str = Field(max_length=64)
