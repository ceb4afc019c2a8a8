"""An answer as Server-Sent Events: `message`, `delta` and again, then `reply` or `error`."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from src.chat.answers import Answer
from src.chat.schemas import Delta, Replied, Sent
from src.core.errors import Problem
from src.core.problem_json import document, log_problem


class StreamedAnswer(EventSourceResponse):
    """Sends an answer while it is spoken. Whoever leaves, or stops to read, ends it."""

    def __init__(self, answer: Answer, *, request_id: str) -> None:
        # Nginx would else hold the events back until its buffer is full.
        super().__init__(_events(answer, request_id), headers={"X-Accel-Buffering": "no"})
        self._speech = answer.speech

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(TimeoutError):
            async with self._speech.listened_to():
                await super().__call__(scope, receive, send)


async def _events(answer: Answer, request_id: str) -> AsyncIterator[bytes]:
    session_id = answer.session_id
    yield _event("message", Sent(session_id=session_id, message=answer.message))
    async for piece in answer.speech.pieces():
        yield _event("delta", Delta(text=piece)) if piece else KEEPALIVE_COMMENT
    try:
        yield _event("reply", Replied(session_id=session_id, reply=answer.speech.reply()))
    except Problem as problem:
        log_problem(problem)
        yield _event("error", document(problem, request_id=request_id))


def _event(name: str, data: BaseModel | dict[str, Any]) -> bytes:
    text = data.model_dump_json() if isinstance(data, BaseModel) else json.dumps(data)
    return format_sse_event(event=name, data_str=text)
