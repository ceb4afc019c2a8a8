"""Whom the subjects of other issuers are here."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from src.core.clock import utc_now
from src.core.db import UtcDateTime


class ExternalIdentity(SQLModel, table=True):
    """A subject of a trusted issuer, by the name that we gave the issuer, and its user here.

    One user each: equal subjects of two issuers never meet.
    """

    __tablename__ = "external_identities"

    issuer: str = Field(primary_key=True, max_length=32)
    subject: str = Field(primary_key=True, max_length=255)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", unique=True)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
