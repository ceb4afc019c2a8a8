"""Service clients in SQL."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.models import ServiceClient


async def by_id(db: AsyncSession, client_id: UUID) -> ServiceClient | None:
    return await db.get(ServiceClient, client_id)


async def everyone(db: AsyncSession) -> Sequence[ServiceClient]:
    """All clients, the oldest first."""
    return (await db.exec(select(ServiceClient).order_by(col(ServiceClient.id)))).all()
