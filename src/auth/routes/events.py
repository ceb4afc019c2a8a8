"""The history of authentication: one's own, and everybody's for administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from src.auth.dependencies import RECORDED, HistoryService
from src.auth.errors import InsufficientRole
from src.auth.models import ADMIN
from src.auth.roles import require_role
from src.auth.schemas import AuditedEventList, EventList
from src.core.bodies import StrictRoute
from src.core.cursors import Cursor
from src.core.errors import AuthenticationRequired, InvalidToken, ServiceUnavailable
from src.core.identity import CurrentUserId
from src.core.problem_json import documents
from src.core.routers import Router

router = Router(
    dependencies=[RECORDED],
    route_class=StrictRoute,
    responses=documents(AuthenticationRequired, InvalidToken, ServiceUnavailable),
)

Limit = Annotated[int, Query(ge=1, le=100)]
Before = Annotated[Cursor | None, Query(description="`next_cursor` of the page before")]


@router.get("/auth/events", tags=["auth"])
async def list_events(
    user_id: CurrentUserId,
    history: HistoryService,
    limit: Limit = 20,
    cursor: Before = None,
) -> EventList:
    """What happened to the signed-in user's account, newest first.

    Every session that ended is in it with the reason.
    """
    return await history.own(user_id, before=cursor, limit=limit)


@router.get(
    "/admin/events",
    tags=["admin"],
    dependencies=[Depends(require_role(ADMIN))],
    responses=documents(InsufficientRole),
)
async def list_all_events(
    history: HistoryService,
    user_id: UUID | None = None,
    limit: Limit = 20,
    cursor: Before = None,
) -> AuditedEventList:
    """What happened to everybody, or to the user named, newest first."""
    return await history.of_all(user_id, before=cursor, limit=limit)
