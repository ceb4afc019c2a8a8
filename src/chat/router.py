"""The chat routes."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from src.chat.answers import Answer, Answers
from src.chat.cursors import SessionCursor
from src.chat.errors import AssistantUnavailable, IdempotencyKeyReused, SessionNotFound
from src.chat.events import StreamedAnswer
from src.chat.sayings import MESSAGES
from src.chat.schemas import (
    Exchange,
    History,
    MessageRequest,
    NewSession,
    OpenedSession,
    SessionAnswer,
    SessionChange,
    SessionDeleted,
    SessionPage,
)
from src.chat.service import Conversations
from src.core.bodies import StrictRoute
from src.core.cursors import Cursor
from src.core.db import DbSession
from src.core.errors import AuthenticationRequired, InvalidToken, LimitReached
from src.core.identity import CurrentIdentity, CurrentUserId
from src.core.problem_json import documents
from src.core.routers import Router
from src.core.usage import limited

router = Router(prefix="/chat", tags=["chat"], route_class=StrictRoute)

ONE_SESSION: Final = "/session/{session_id:uuid}"  # `new` is no id: only POST is allowed there
SIGNED_IN: Final = documents(AuthenticationRequired, InvalidToken)
OF_A_SESSION: Final = SIGNED_IN | documents(SessionNotFound)
OF_AN_ANSWER: Final = documents(AssistantUnavailable, IdempotencyKeyReused, LimitReached)
STREAMED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The message and the reply; with `Accept: text/event-stream` as events: "
        "`message`, `delta` for each piece of the reply, at the end `reply` or `error`",
        "content": {EventSourceResponse.media_type: {"schema": {"type": "string"}}},
    },
}

Limit = Annotated[int, Query(ge=1, le=100)]
NEXT_CURSOR: Final = Query(description="`next_cursor` of the page before")
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="New for each message, such as a UUID. Repeat it, with the same body, when no "
        "answer came: nothing is stored twice.",
    ),
]


async def get_conversations(db: DbSession) -> Conversations:
    return Conversations(db)


async def get_answers(request: Request) -> Answers:
    return Answers(
        request.state.sessionmaker,
        responder=request.state.responder,
        speeches=request.state.speeches,
        still_signed_in=request.state.still_signed_in,
    )


async def get_delivery(request: Request) -> Callable[[Answer], Awaitable[Exchange | Response]]:
    """How the answer is delivered: as a stream where the client names that type, else whole."""
    accepted = ",".join(request.headers.getlist("accept")).lower()
    named = {each.partition(";")[0].strip() for each in accepted.split(",")}

    async def streamed(answer: Answer) -> Response:
        return StreamedAnswer(answer, request_id=request.state.request_id)

    return streamed if EventSourceResponse.media_type in named else Answer.whole


ConversationsService = Annotated[Conversations, Depends(get_conversations)]
AnswersService = Annotated[Answers, Depends(get_answers)]
Deliver = Annotated[Callable[[Answer], Awaitable[Exchange | Response]], Depends(get_delivery)]


@router.post(
    "/session/new",
    status_code=201,
    dependencies=[limited(MESSAGES)],
    responses=SIGNED_IN | OF_AN_ANSWER,
)
async def open_session(
    who: CurrentIdentity,
    answers: AnswersService,
    body: NewSession | None = None,
    idempotency_key: IdempotencyKey = None,
) -> OpenedSession:
    """Open a session; an initial message is answered at once."""
    return await answers.to_new_session(who, body or NewSession(), idempotency_key)


@router.post(
    "/message",
    response_model=Exchange,
    dependencies=[limited(MESSAGES)],
    responses=OF_A_SESSION | OF_AN_ANSWER | STREAMED,
)
async def send_message(
    body: MessageRequest,
    who: CurrentIdentity,
    answers: AnswersService,
    deliver: Deliver,
    idempotency_key: IdempotencyKey = None,
) -> Exchange | Response:
    """Say something and get a reply; without a session, a new one is opened."""
    return await deliver(await answers.to_message(who, body, idempotency_key))


@router.get("/sessions", responses=SIGNED_IN)
async def list_conversations(
    user_id: CurrentUserId,
    conversations: ConversationsService,
    limit: Limit = 20,
    cursor: Annotated[SessionCursor | None, NEXT_CURSOR] = None,
) -> SessionPage:
    """One's own sessions, latest activity first."""
    return await conversations.list(user_id=user_id, after=cursor, limit=limit)


@router.get(ONE_SESSION, responses=OF_A_SESSION)
async def read_conversation(
    session_id: UUID,
    user_id: CurrentUserId,
    conversations: ConversationsService,
) -> SessionAnswer:
    """One session, without its messages."""
    return await conversations.get(session_id, user_id=user_id)


@router.patch(ONE_SESSION, responses=OF_A_SESSION)
async def rename_conversation(
    session_id: UUID,
    body: SessionChange,
    user_id: CurrentUserId,
    conversations: ConversationsService,
) -> SessionAnswer:
    """Give a session another title."""
    return await conversations.rename(session_id, user_id=user_id, title=body.title)


@router.delete(ONE_SESSION, responses=OF_A_SESSION)
async def delete_conversation(
    session_id: UUID,
    user_id: CurrentUserId,
    conversations: ConversationsService,
) -> SessionDeleted:
    """Delete a session and its messages."""
    return await conversations.delete(session_id, user_id=user_id)


@router.get("/session/{session_id}/history", responses=OF_A_SESSION)
@router.get("/history/{session_id}", name="read_history_by_short_address", responses=OF_A_SESSION)
async def read_history(
    session_id: UUID,
    user_id: CurrentUserId,
    conversations: ConversationsService,
    limit: Limit = 20,
    cursor: Annotated[Cursor | None, NEXT_CURSOR] = None,
) -> History:
    """The messages of a session, oldest first."""
    return await conversations.history(session_id, user_id=user_id, after=cursor, limit=limit)
