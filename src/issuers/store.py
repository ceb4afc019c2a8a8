"""External identities in SQL. The primary key decides, not a check before it."""

from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.issuers.models import ExternalIdentity


async def user_of(db: AsyncSession, issuer: str, subject: str) -> UUID | None:
    statement = select(ExternalIdentity.user_id).where(
        ExternalIdentity.issuer == issuer, ExternalIdentity.subject == subject
    )
    return (await db.exec(statement)).one_or_none()


async def add(db: AsyncSession, issuer: str, subject: str, *, user_id: UUID) -> None:
    """Raises: IntegrityError where the identity is there already."""
    db.add(ExternalIdentity(issuer=issuer, subject=subject, user_id=user_id))
    await db.flush()
