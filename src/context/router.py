"""The context routes, for services that speak for a customer."""

from typing import Annotated

from fastapi import Depends, Request

from src.context.schemas import EnrichedContext, EnrichedRequest, MemoryView, NewMemory
from src.context.service import MEMORIES, Context
from src.core.bodies import StrictRoute
from src.core.customers import CurrentCustomerId, InvalidServiceToken, MissingAuthorization
from src.core.db import DbSession
from src.core.errors import LimitReached, NotConfigured, ServiceUnavailable
from src.core.problem_json import documents
from src.core.routers import Router
from src.core.usage import count_use

router = Router(
    prefix="/v2/context",
    tags=["services"],
    route_class=StrictRoute,
    responses=documents(
        MissingAuthorization,
        InvalidServiceToken,
        NotConfigured,
        ServiceUnavailable,
    ),
)


async def get_context(request: Request, customer_id: CurrentCustomerId, db: DbSession) -> Context:
    return Context(db, customer_id=customer_id, clock=request.state.clock)


async def count_memory(request: Request, customer_id: CurrentCustomerId) -> None:
    await count_use(request, MEMORIES, owner=customer_id)


ContextService = Annotated[Context, Depends(get_context)]


@router.post("/enriched")
async def read_context(body: EnrichedRequest, context: ContextService) -> EnrichedContext:
    """What the token's customer remembers about one of its users, newest first, at most 100."""
    return await context.enriched(body.user_id)


@router.post(
    "/memories",
    status_code=201,
    dependencies=[Depends(count_memory)],
    responses=documents(LimitReached),
)
async def add_memory(body: NewMemory, context: ContextService) -> MemoryView:
    """Remember something about one of the token's customer's users."""
    return await context.remember(body)
