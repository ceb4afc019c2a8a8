"""What a customer's services remember, and get back."""

from datetime import timedelta
from typing import Final

from sqlmodel.ext.asyncio.session import AsyncSession

from src.context import store
from src.context.models import Memory
from src.context.schemas import EnrichedContext, MemoryView, NewMemory
from src.core.clock import Clock
from src.core.usage import Limit

MEMORIES: Final = Limit("memory", 600, timedelta(minutes=5))  # of one customer
MOST_MEMORIES: Final = 100


class Context:
    """The memories of one customer; nobody else's can be reached through it."""

    def __init__(self, db: AsyncSession, *, customer_id: str, clock: Clock) -> None:
        self._db = db
        self._customer_id = customer_id
        self._clock = clock

    async def enriched(self, user_id: str) -> EnrichedContext:
        """The newest memories about one of the customer's users."""
        memories = await store.newest(
            self._db,
            customer_id=self._customer_id,
            user_id=user_id,
            limit=MOST_MEMORIES,
        )
        return EnrichedContext(memories=[MemoryView.model_validate(each) for each in memories])

    async def remember(self, new: NewMemory) -> MemoryView:
        memory = Memory(
            customer_id=self._customer_id,
            user_id=new.user_id,
            text=new.text,
            details=new.metadata,
            created_at=self._clock(),
        )
        await store.add(self._db, memory)
        return MemoryView.model_validate(memory)
