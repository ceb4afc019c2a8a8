"""Memories in SQL. Whose they are is part of every query."""

from collections.abc import Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.context.models import Memory


async def add(db: AsyncSession, memory: Memory) -> None:
    db.add(memory)
    await db.flush()


async def newest(
    db: AsyncSession,
    *,
    customer_id: str,
    user_id: str,
    limit: int,
) -> Sequence[Memory]:
    """A customer's memories about one of its users, newest first."""
    statement = (
        select(Memory)
        .where(Memory.customer_id == customer_id, Memory.user_id == user_id)
        .order_by(col(Memory.id).desc())
        .limit(limit)
    )
    return (await db.exec(statement)).all()
