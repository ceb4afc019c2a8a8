"""What administrators see and change of other people's accounts."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from src.auth.dependencies import RECORDED, AdministrationService
from src.auth.errors import InsufficientRole, LastAdministrator, UserNotFound
from src.auth.schemas import AccountList, AccountView, EmailPrefix, UserChange
from src.core.bodies import StrictRoute
from src.core.cursors import Cursor
from src.core.errors import AuthenticationRequired, InvalidToken, ServiceUnavailable
from src.core.problem_json import documents
from src.core.routers import Router

router = Router(
    dependencies=[RECORDED],
    prefix="/admin",
    tags=["admin"],
    route_class=StrictRoute,
    responses=documents(AuthenticationRequired, InvalidToken, InsufficientRole, ServiceUnavailable),
)


@router.get("/users")
async def list_users(
    administration: AdministrationService,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[
        Cursor | None,
        Query(description="`next_cursor` of the page before"),
    ] = None,
    email: Annotated[
        EmailPrefix,
        Query(description="how the e-mail begins, in any case"),
    ] = "",
) -> AccountList:
    """The accounts, the oldest first."""
    return await administration.list_users(email_prefix=email, after=cursor, limit=limit)


@router.get("/users/{user_id}", response_model=AccountView, responses=documents(UserNotFound))
async def read_user(user_id: UUID, administration: AdministrationService) -> object:
    """One account."""
    return await administration.user(user_id)


@router.patch(
    "/users/{user_id}",
    response_model=AccountView,
    responses=documents(UserNotFound, LastAdministrator),
)
async def change_user(
    user_id: UUID,
    body: UserChange,
    administration: AdministrationService,
) -> object:
    """Set the roles, or disable and enable the account. A change ends all its sessions.

    The last active administrator can neither be demoted nor disabled.
    """
    return await administration.change(user_id, body)


@router.delete("/users/{user_id}/sessions", status_code=204, responses=documents(UserNotFound))
async def end_user_sessions(user_id: UUID, administration: AdministrationService) -> None:
    """End every session of the account. Its access tokens are refused within a second."""
    await administration.end_sessions(user_id)
