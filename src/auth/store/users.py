"""Users in SQL. The unique indexes decide, not a check before them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.models import User


async def by_id(db: AsyncSession, user_id: UUID) -> User | None:
    return await db.get(User, user_id)


async def by_email_key(db: AsyncSession, email_key: str) -> User | None:
    return (await db.exec(select(User).where(User.email_key == email_key))).one_or_none()


async def is_active(db: AsyncSession, user_id: UUID) -> bool:
    """Whether this is the id of a user who may act; False for an unknown one too."""
    found = await db.exec(select(User.is_active).where(User.id == user_id))
    return found.one_or_none() is True


async def replace_password_hash(
    db: AsyncSession,
    user_id: UUID,
    *,
    verified_hash: str,
    new_hash: str,
) -> bool:
    """Set a new hash where the verified one still stands; False when it no longer does."""
    return await _update_if_unchanged(db, user_id, verified_hash, password_hash=new_hash)


async def record_login(
    db: AsyncSession,
    user_id: UUID,
    *,
    verified_hash: str,
    new_hash: str,
    at: datetime,
) -> bool:
    """Note a log-in of an active user whose verified hash still stands; False otherwise."""
    return await _update_if_unchanged(
        db,
        user_id,
        verified_hash,
        password_hash=new_hash,
        last_login_at=at,
    )


async def _update_if_unchanged(
    db: AsyncSession,
    user_id: UUID,
    verified_hash: str,
    **values: object,
) -> bool:
    statement = (
        update(User)
        .where(
            col(User.id) == user_id,
            col(User.password_hash) == verified_hash,
            col(User.is_active).is_(True),
        )
        .values(**values)
    )
    return (await db.exec(statement)).rowcount == 1
