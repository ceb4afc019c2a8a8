"""A responder that asks a language model at any endpoint of the chat-completions protocol.

Importing this imports `openai`, which is slow: `src.assistant.plug` does so only when one is
configured.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeVar, cast
from uuid import UUID

from openai import (
    APIStatusError,
    AsyncOpenAI,
    DefaultAsyncHttpx2Client,
    OpenAIError,
    Timeout,
)
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from src.assistant.emergencies import warning_for
from src.assistant.prompt import ChatMessage, messages
from src.assistant.records import RecordsOf, sentences
from src.chat.errors import AssistantUnavailable
from src.chat.responder import Turn
from src.core.logging import log_event

T = TypeVar("T")

MOST_RECORDS: Final = 20
NO_KEY: Final = "none"  # an empty one would let the client take OPENAI_API_KEY, meant for others


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is. `api_key` is None where none is needed."""

    base_url: str
    api_key: str | None
    model: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for a connection, for the next piece, for the whole reply."""

    connect: float = 5.0
    silence: float = 60.0
    total: float = 110.0


PATIENCE: Final = Patience()


class _BadReply(Exception):  # noqa: N818 - not an error of ours
    """What arrived is no reply."""


class OpenAICompatibleResponder:
    """The `Responder` that passes questions on. `records_of` is None when records stay here."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        records_of: RecordsOf | None,
        patience: Patience = PATIENCE,
    ) -> None:
        self._model = endpoint.model
        self._records_of = records_of
        self._patience = patience
        self._client = AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key or NO_KEY,
            timeout=Timeout(None, connect=patience.connect),  # the others are in `_in_time`
            max_retries=0,  # a person waits: better to tell them at once, they may ask again
            # A redirect would carry the question to a host that nobody configured.
            http_client=DefaultAsyncHttpx2Client(follow_redirects=False),
        )

    async def aclose(self) -> None:
        await self._client.close()

    async def __call__(
        self,
        *,
        user_id: UUID,
        question: str,
        history: Sequence[Turn],
    ) -> AsyncGenerator[str]:
        """The model's pieces, after our own words if the question sounds like an emergency.

        However many: who listens takes as much as a message may hold.
        Raises: `AssistantUnavailable`.
        """
        warning = warning_for(question)
        if warning:
            yield f"{warning}\n\n"
        records = await self._shared_records(user_id)
        asked = messages(question=question, history=history, records=records)
        async with aclosing(self._pieces(asked)) as pieces:
            async for piece in pieces:
                yield piece

    async def _shared_records(self, user_id: UUID) -> list[str]:
        if self._records_of is None:
            return []
        return await sentences(self._records_of, user_id, parts=None, limit=MOST_RECORDS)

    async def _pieces(self, asked: list[ChatMessage]) -> AsyncGenerator[str]:
        """What the model says. Raises: `AssistantUnavailable`, its cause logged."""
        try:
            async with aclosing(self._stream(asked)) as stream:
                async for piece in stream:
                    yield piece
        except (OpenAIError, OSError, ValueError, RecursionError, _BadReply) as error:
            cause = _cause(error)
            log_event("assistant-failed", level=logging.WARNING, cause=cause)
            # Without the original: its text may hold the answer, or a part of the key.
            raise AssistantUnavailable(cause=cause) from None

    async def _stream(self, asked: list[ChatMessage]) -> AsyncGenerator[str]:
        """What the model says.

        Raises: what `openai` does, OSError, ValueError, RecursionError, `_BadReply`.
        """
        deadline = asyncio.get_running_loop().time() + self._patience.total
        create = self._client.chat.completions.create(
            model=self._model,
            messages=cast("list[ChatCompletionMessageParam]", asked),
            stream=True,
        )
        said_something = finished = False
        async with await self._in_time(create, deadline) as stream:
            while (chunk := await self._in_time(anext(stream, None), deadline)) is not None:
                piece, last = _read(chunk)
                finished |= last
                if piece:
                    said_something |= not piece.isspace()
                    yield piece
        if not (said_something and finished):
            raise _BadReply("the stream ended early" if said_something else "the reply is empty")

    async def _in_time(self, step: Awaitable[T], deadline: float) -> T:
        """What the endpoint does next. Comments that keep a connection open do not count.

        Raises: `_BadReply` after too long a silence, and at the deadline.
        """
        silent_until = asyncio.get_running_loop().time() + self._patience.silence
        try:
            async with asyncio.timeout_at(min(deadline, silent_until)):
                return await step
        except TimeoutError:
            late = deadline < silent_until
            raise _BadReply(
                "the reply took too long" if late else "the endpoint is silent"
            ) from None


def _read(chunk: ChatCompletionChunk) -> tuple[str, bool]:
    """A chunk's text, and whether it says that the reply is complete.

    The client does not validate what it receives. Raises: `_BadReply` for what is no chunk.
    """
    try:
        choice = next(iter(chunk.choices), None)  # some have none, only statistics
        if choice is None:
            return "", False
        return _storable(choice.delta.content or ""), choice.finish_reason is not None
    except (AttributeError, TypeError) as error:
        raise _BadReply("a chunk is malformed") from error


def _storable(text: str) -> str:
    """Text without NUL and lone surrogates, which no database takes."""
    return text.replace("\x00", "").encode(errors="ignore").decode()


def _cause(error: Exception) -> str:
    """What went wrong, for the log, in words of our own."""
    if isinstance(error, APIStatusError):
        return f"the endpoint answered {error.status_code}"
    if isinstance(error, _BadReply):
        return str(error)
    return type(error).__name__
