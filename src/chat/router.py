"""The chat routes."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from src.chat.errors import AssistantUnavailable, SessionNotFound
from src.chat.schemas import Exchange, History, MessageRequest
from src.chat.service import Conversations
from src.core.bodies import StrictRoute
from src.core.cursors import Cursor
from src.core.db import DbSession
from src.core.errors import AuthenticationRequired, InvalidToken
from src.core.identity import CurrentUserId
from src.core.problem_json import documents

router = APIRouter(prefix="/chat", tags=["chat"], route_class=StrictRoute)

PROBLEMS = documents(AuthenticationRequired, InvalidToken, SessionNotFound)


async def get_conversations(request: Request, db: DbSession) -> Conversations:
    return Conversations(db, responder=request.state.responder)


ConversationsService = Annotated[Conversations, Depends(get_conversations)]


@router.post("/message", responses=PROBLEMS | documents(AssistantUnavailable))
async def send_message(
    body: MessageRequest,
    user_id: CurrentUserId,
    conversations: ConversationsService,
) -> Exchange:
    """Say something and get a reply; without a session, a new one is opened."""
    return await conversations.send(
        user_id=user_id,
        message=body.message,
        session_id=body.session_id,
    )


@router.get("/history/{session_id}", responses=PROBLEMS)
async def read_history(
    session_id: UUID,
    user_id: CurrentUserId,
    conversations: ConversationsService,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[
        Cursor | None,
        Query(description="`next_cursor` of the page before"),
    ] = None,
) -> History:
    """The messages of a session, oldest first."""
    return await conversations.history(session_id, user_id=user_id, after=cursor, limit=limit)
