"""Anatomy records in SQL. Whose they are is part of every query."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.anatomy.models import AnatomyRecord


async def add_record(db: AsyncSession, record: AnatomyRecord) -> None:
    """Raises: `sqlalchemy.exc.IntegrityError` when there is no such user."""
    db.add(record)
    await db.flush()


async def latest_records(
    db: AsyncSession,
    *,
    user_id: UUID,
    limit: int,
) -> Sequence[AnatomyRecord]:
    """A person's newest records, newest first."""
    statement = (
        select(AnatomyRecord)
        .where(AnatomyRecord.user_id == user_id)
        .order_by(col(AnatomyRecord.id).desc())
        .limit(limit)
    )
    return (await db.exec(statement)).all()


async def record_counts(db: AsyncSession, *, user_id: UUID) -> Mapping[str, int]:
    """How many records a person has on each part, by the part's slug; parts without are absent."""
    statement = (
        select(AnatomyRecord.part, func.count())
        .where(AnatomyRecord.user_id == user_id)
        .group_by(col(AnatomyRecord.part))
    )
    return dict((await db.exec(statement)).all())
