"""Support threads in SQL. Whose they are is part of every query."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar
from uuid import UUID

from sqlalchemy import ScalarSelect, delete, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from src.support.models import SupportFeedback, SupportItem, SupportThread

Row = TypeVar("Row", SupportThread, SupportItem)


@dataclass(frozen=True, slots=True)
class Range:
    """Which part of a list, by id, which is by time: what follows the row `after`."""

    order: Literal["asc", "desc"]
    after: UUID | None
    limit: int


async def add_thread(db: AsyncSession, thread: SupportThread) -> None:
    db.add(thread)
    await db.flush()


async def thread_of(db: AsyncSession, thread_id: UUID, *, user_id: str) -> SupportThread | None:
    """A user's thread; None when they have no such thread."""
    statement = select(SupportThread).where(
        SupportThread.id == thread_id,
        SupportThread.user_id == user_id,
    )
    return (await db.exec(statement)).one_or_none()


async def threads_of(db: AsyncSession, *, user_id: str, part: Range) -> Sequence[SupportThread]:
    statement = select(SupportThread).where(SupportThread.user_id == user_id)
    return (await db.exec(_ranged(statement, SupportThread, part))).all()


async def lock_thread(db: AsyncSession, thread_id: UUID, *, user_id: str) -> SupportThread | None:
    """A user's thread, which nobody else changes or deletes until the commit.

    None when they have no such thread. An update that changes nothing: SQLite knows no other way.
    """
    statement = (
        update(SupportThread)
        .where(col(SupportThread.id) == thread_id, col(SupportThread.user_id) == user_id)
        .values(title=SupportThread.title)
        .returning(SupportThread)
    )
    return (await db.exec(statement)).scalar_one_or_none()


async def delete_thread(db: AsyncSession, thread_id: UUID, *, user_id: str) -> bool:
    """With its items; False when they have no such thread."""
    statement = (
        delete(SupportThread)
        .where(col(SupportThread.id) == thread_id, col(SupportThread.user_id) == user_id)
        .returning(col(SupportThread.id))
    )
    return (await db.exec(statement)).one_or_none() is not None


async def add_item(db: AsyncSession, item: SupportItem) -> None:
    """Add an item to a thread that the caller has just added or locked."""
    db.add(item)
    await db.flush()


async def item_of(
    db: AsyncSession, item_id: UUID, *, thread_id: UUID, user_id: str
) -> SupportItem | None:
    statement = select(SupportItem).where(
        SupportItem.id == item_id,
        col(SupportItem.thread_id) == _own_thread(thread_id, user_id),
    )
    return (await db.exec(statement)).one_or_none()


async def items_of(
    db: AsyncSession, thread_id: UUID, *, user_id: str, part: Range
) -> Sequence[SupportItem]:
    """Items of a user's thread; none when they have no such thread."""
    statement = select(SupportItem).where(
        col(SupportItem.thread_id) == _own_thread(thread_id, user_id),
    )
    return (await db.exec(_ranged(statement, SupportItem, part))).all()


async def delete_items_after(db: AsyncSession, item: SupportItem, *, user_id: str) -> None:
    statement = delete(SupportItem).where(
        col(SupportItem.thread_id) == _own_thread(item.thread_id, user_id),
        col(SupportItem.id) > item.id,
    )
    await db.exec(statement)


async def exchange_of(
    db: AsyncSession, reply: SupportItem, *, user_id: str
) -> Sequence[SupportItem]:
    """The message that a reply is to, and the replies to it that are stored."""
    statement = select(SupportItem).where(
        col(SupportItem.thread_id) == _own_thread(reply.thread_id, user_id),
        or_(
            col(SupportItem.id) == reply.question_id,
            col(SupportItem.question_id) == reply.question_id,
        ),
    )
    return (await db.exec(statement)).all()


async def items_with(
    db: AsyncSession, item_ids: Collection[UUID], *, thread_id: UUID, user_id: str
) -> set[UUID]:
    """Which of these ids are of items of the user's thread."""
    statement = select(SupportItem.id).where(
        col(SupportItem.thread_id) == _own_thread(thread_id, user_id),
        col(SupportItem.id).in_(item_ids),
    )
    return set((await db.exec(statement)).all())


async def replace_feedback(db: AsyncSession, item_ids: Collection[UUID], kind: str) -> None:
    """For items of a thread that the caller has locked, so that nobody else does the same."""
    await db.exec(delete(SupportFeedback).where(col(SupportFeedback.item_id).in_(item_ids)))
    db.add_all(SupportFeedback(item_id=item_id, kind=kind) for item_id in item_ids)
    await db.flush()


def _ranged(statement: SelectOfScalar[Row], table: type[Row], part: Range) -> SelectOfScalar[Row]:
    row_id = col(table.id)
    if part.after is not None:
        statement = statement.where(
            row_id > part.after if part.order == "asc" else row_id < part.after
        )
    ordered = row_id if part.order == "asc" else row_id.desc()
    return statement.order_by(ordered).limit(part.limit)


def _own_thread(thread_id: UUID, user_id: str) -> ScalarSelect[UUID]:
    """The thread's id where it is the user's, else NULL, which equals nothing."""
    statement = select(SupportThread.id).where(
        SupportThread.id == thread_id,
        SupportThread.user_id == user_id,
    )
    return statement.scalar_subquery()
