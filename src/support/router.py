"""ChatKit's one route: the type of the request says what is done and how it is answered."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from src.chat.sayings import MESSAGES
from src.core.bodies import parse_json, require_json
from src.core.errors import LimitReached, NotConfigured, ServiceUnavailable
from src.core.problem_json import documents
from src.core.routers import Router
from src.core.usage import count_use
from src.issuers.better_auth import (
    BetterAuthUserNotFound,
    InvalidBetterAuthToken,
    NoActiveSessions,
)
from src.support.errors import (
    ItemNotFound,
    MissingBetterAuthToken,
    NotOffered,
    ThreadNotFound,
)
from src.support.identity import CurrentBetterAuthIdentity
from src.support.replies import Replies
from src.support.requests import (
    BY_TYPE,
    ChatKitRequest,
    StreamingRequest,
    read_request,
)
from src.support.streams import Reply
from src.support.threads import Threads
from src.support.views import encoded

router = Router(prefix="/support", tags=["support"])

# The protocol is ChatKit's and grows with it, so that the document says no more than its outline.
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "title": "ChatKitRequest",
                    "required": ["type", "params"],
                    "properties": {
                        "type": {"type": "string", "enum": [*BY_TYPE]},
                        "params": {"type": "object"},
                        "metadata": {"description": "passed over"},
                    },
                },
            },
        },
    },
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "JSON, or the events of a reply where one is asked for",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            EventSourceResponse.media_type: {"schema": {"type": "string"}},
        },
    },
}


class StreamedReply(EventSourceResponse):
    """Sends a reply while it is spoken. Whoever leaves, or stops to read, ends it."""

    def __init__(self, reply: Reply) -> None:
        # Nginx would else hold the events back until its buffer is full.
        super().__init__(_lines(reply), headers={"X-Accel-Buffering": "no"})
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(TimeoutError):
            async with self._reply.listened_to():
                await super().__call__(scope, receive, send)


async def _lines(reply: Reply) -> AsyncIterator[bytes]:
    async for event in reply.events():
        yield format_sse_event(data_str=encoded(event).decode())


async def get_asked(request: Request, _: CurrentBetterAuthIdentity) -> ChatKitRequest:
    """The request, which nobody reads before it is known who asks."""
    body = await request.body()
    require_json(request)
    return read_request(parse_json(body))


async def get_answer(
    request: Request,
    asked: Annotated[ChatKitRequest, Depends(get_asked)],
    identity: CurrentBetterAuthIdentity,
) -> Response:
    state = request.state
    if isinstance(asked, StreamingRequest):
        await count_use(request, MESSAGES, owner=f"better-auth {identity.user.id}")
        replies = Replies(
            state.sessionmaker,
            identity=identity,
            better_auth=state.better_auth,
            responder=state.responder,
            speeches=state.speeches,
        )
        return StreamedReply(await replies.to(asked))
    threads = Threads(state.sessionmaker, user_id=identity.user.id)
    return Response(encoded(await threads.answer(asked)), media_type="application/json")


@router.post(
    "/chatkit",
    openapi_extra=_BODY,
    responses=_ANSWERS
    | documents(
        MissingBetterAuthToken,
        InvalidBetterAuthToken,
        BetterAuthUserNotFound,
        NoActiveSessions,
        ThreadNotFound,
        ItemNotFound,
        NotOffered,
        LimitReached,
        NotConfigured,
        ServiceUnavailable,
    ),
)
async def chatkit(answer: Annotated[Response, Depends(get_answer)]) -> Response:
    """One operation of the ChatKit protocol, for somebody who is signed in at Better Auth."""
    return answer
