"""Users in SQL. The unique indexes decide, not a check before them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import String, and_, bindparam, cast, false, or_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.models import ADMIN, User
from src.auth.schemas import Profile

_ACTIVE_PROFILE = select(*(getattr(User, name) for name in Profile.model_fields)).where(
    col(User.id) == bindparam("user_id"),
    col(User.is_active).is_(True),
)


async def by_id(db: AsyncSession, user_id: UUID) -> User | None:
    return await db.get(User, user_id)


async def by_email_key(db: AsyncSession, email_key: str) -> User | None:
    return (await db.exec(select(User).where(User.email_key == email_key))).one_or_none()


async def active_profile(connection: AsyncConnection, user_id: UUID) -> Profile | None:
    """The profile of a user who may act; None for an unknown or disabled one."""
    row = (await connection.execute(_ACTIVE_PROFILE, {"user_id": user_id})).one_or_none()
    return None if row is None else Profile.model_validate(row)


async def page(
    db: AsyncSession,
    *,
    email_prefix: str,
    after: UUID | None,
    limit: int,
) -> Sequence[User]:
    """Users in the order in which they came, from the one after `after`."""
    statement = select(User).order_by(col(User.id)).limit(limit)
    if after:
        statement = statement.where(col(User.id) > after)
    if email_prefix:
        statement = statement.where(col(User.email_key).startswith(email_prefix, autoescape=True))
    return (await db.exec(statement)).all()


async def lock_with_administrators(db: AsyncSession, user_id: UUID) -> Sequence[User]:
    """The user, if there is one, and every active administrator: none changes until the commit.

    Call it before any write. One fixed order of locking, so that nobody waits in a circle.
    """
    # SQLite has no FOR UPDATE: a write, even of nothing, takes the turn of the whole database.
    await db.exec(update(User).where(false()).values(is_active=True))
    administers = cast(col(User.roles), String).contains(f'"{ADMIN}"')
    statement = (
        select(User)
        .where(or_(col(User.id) == user_id, and_(col(User.is_active).is_(True), administers)))
        .order_by(col(User.id))
        .with_for_update()
        .execution_options(populate_existing=True)  # what was read before the lock may be old
    )
    return (await db.exec(statement)).all()


async def replace_password_hash(
    db: AsyncSession,
    user_id: UUID,
    *,
    verified_hash: str,
    new_hash: str,
) -> bool:
    """Set a new hash where the verified one still stands; False when it no longer does."""
    roles = await _update_if_unchanged(db, user_id, verified_hash, password_hash=new_hash)
    return roles is not None


async def record_login(
    db: AsyncSession,
    user_id: UUID,
    *,
    verified_hash: str,
    granted_roles: list[str],
    new_hash: str,
    at: datetime,
) -> bool:
    """Note a log-in of an active user whose verified hash and roles still stand; else False."""
    roles = await _update_if_unchanged(
        db,
        user_id,
        verified_hash,
        password_hash=new_hash,
        last_login_at=at,
    )
    return roles == granted_roles


async def _update_if_unchanged(
    db: AsyncSession,
    user_id: UUID,
    verified_hash: str,
    **values: object,
) -> list[str] | None:
    """The user's roles, which stay until the commit; None where nothing was updated."""
    statement = (
        update(User)
        .where(
            col(User.id) == user_id,
            col(User.password_hash) == verified_hash,
            col(User.is_active).is_(True),
        )
        .values(**values)
        .returning(col(User.roles))
    )
    roles: list[str] | None = (await db.exec(statement)).scalar_one_or_none()
    return roles
