"""The application as it is served, with a responder that says a word at a time and never ends.

    uvicorn tests.chat.paced:app

PACED_WORDS in the environment, where it is set, is after how many words it does end.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from starlette.types import Receive, Scope, Send

from src.chat.responder import Turn
from src.main import app as served

SECONDS_A_WORD = 0.1


async def speak(
    *,
    user_id: UUID,  # noqa: ARG001
    question: str,  # noqa: ARG001
    history: Sequence[Turn],  # noqa: ARG001
) -> AsyncIterator[str]:
    last = os.environ.get("PACED_WORDS")
    for number in itertools.count(1):
        yield f"{number} "
        if str(number) == last:
            break
        await asyncio.sleep(SECONDS_A_WORD)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        scope["state"]["responder"] = speak
    await served(scope, receive, send)
