"""Anatomy records in SQL. Whose they are is part of every query."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.anatomy.models import AnatomyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which records to list; None: whichever. `before` is the id of the last one seen."""

    parts: Collection[str] | None = None
    kind: str | None = None
    side: str | None = None
    before: UUID | None = None


EVERY = Chosen()


async def add_record(db: AsyncSession, record: AnatomyRecord) -> None:
    """Raises: `sqlalchemy.exc.IntegrityError` when there is no such user."""
    db.add(record)
    await db.flush()


async def latest_records(
    db: AsyncSession,
    *,
    user_id: UUID,
    limit: int,
    chosen: Chosen = EVERY,
) -> Sequence[AnatomyRecord]:
    """A person's newest records among those chosen, newest first."""
    statement = (
        select(AnatomyRecord)
        .where(AnatomyRecord.user_id == user_id)
        .order_by(col(AnatomyRecord.id).desc())
        .limit(limit)
    )
    if chosen.parts is not None:
        statement = statement.where(col(AnatomyRecord.part).in_(chosen.parts))
    if chosen.kind is not None:
        statement = statement.where(AnatomyRecord.kind == chosen.kind)
    if chosen.side is not None:
        statement = statement.where(AnatomyRecord.side == chosen.side)
    if chosen.before is not None:
        statement = statement.where(col(AnatomyRecord.id) < chosen.before)
    return (await db.exec(statement)).all()


async def record_counts(db: AsyncSession, *, user_id: UUID) -> Mapping[str, int]:
    """How many records a person has on each part, by the part's slug; parts without are absent."""
    statement = (
        select(AnatomyRecord.part, func.count())
        .where(AnatomyRecord.user_id == user_id)
        .group_by(col(AnatomyRecord.part))
    )
    return dict((await db.exec(statement)).all())


async def record(db: AsyncSession, record_id: UUID, *, user_id: UUID) -> AnatomyRecord | None:
    """A person's record; None when they have no such record."""
    statement = select(AnatomyRecord).where(*_belongs(record_id, user_id))
    return (await db.exec(statement)).one_or_none()


async def touch_record(
    db: AsyncSession,
    record_id: UUID,
    *,
    user_id: UUID,
    at: datetime,
) -> AnatomyRecord | None:
    """A person's record as it is now, to be changed; None when they have no such record.

    Nobody else can change or delete it between this and the commit.
    """
    statement = (
        update(AnatomyRecord)
        .where(*_belongs(record_id, user_id))
        .values(updated_at=at)
        .returning(AnatomyRecord)
    )
    return (await db.exec(statement)).scalar_one_or_none()


async def delete_record(db: AsyncSession, record_id: UUID, *, user_id: UUID) -> bool:
    """False when the person has no such record."""
    statement = (
        delete(AnatomyRecord).where(*_belongs(record_id, user_id)).returning(col(AnatomyRecord.id))
    )
    return (await db.exec(statement)).one_or_none() is not None


def _belongs(record_id: UUID, user_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return col(AnatomyRecord.id) == record_id, col(AnatomyRecord.user_id) == user_id
