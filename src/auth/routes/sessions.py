"""A person's sessions, and what was revoked."""

from fastapi import Response

from src.auth.dependencies import RECORDED, RevocationResponse, SessionId, SessionsService
from src.auth.errors import SessionNotFound
from src.auth.schemas import RevocationList, SessionList
from src.core.bodies import StrictRoute
from src.core.errors import AuthenticationRequired, InvalidToken, ServiceUnavailable
from src.core.identity import CurrentIdentity, CurrentUserId
from src.core.problem_json import documents
from src.core.routers import Router

router = Router(prefix="/auth", tags=["auth"], dependencies=[RECORDED], route_class=StrictRoute)


@router.get(
    "/sessions",
    responses=documents(AuthenticationRequired, InvalidToken, ServiceUnavailable),
)
async def list_sessions(identity: CurrentIdentity, sessions: SessionsService) -> SessionList:
    """Where the signed-in user is logged in, the most recently used first."""
    live = await sessions.list_live(user_id=identity.user_id, current=identity.session_id)
    return SessionList(sessions=live)


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    responses=documents(AuthenticationRequired, InvalidToken, SessionNotFound, ServiceUnavailable),
)
async def end_session(
    session_id: SessionId,
    user_id: CurrentUserId,
    sessions: SessionsService,
) -> None:
    """End one of the user's sessions. Its access tokens are refused within a second."""
    await sessions.end_own(user_id=user_id, session_id=session_id)


@router.get(
    "/revocations",
    response_model=RevocationList,
    responses={304: {"description": "Nothing changed"}, **documents(ServiceUnavailable)},
)
async def read_revocations(revocations: RevocationResponse) -> Response:
    """Sessions and users whose unexpired access tokens are refused.

    For services that verify tokens themselves; ask with `If-None-Match`.
    """
    return revocations
