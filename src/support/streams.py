"""The events of an answer that is spoken, in ChatKit's order."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, Protocol

from src.chat.speech import Speech
from src.core.errors import InvalidToken, Problem
from src.core.logging import log_event
from src.support.models import SupportItem
from src.support.views import (
    STREAM_OPTIONS,
    Event,
    failed,
    item_added,
    item_done,
    part_added,
    part_done,
    text_delta,
    told,
)

NOTHING_ASKED: Final = "The assistant did not ask for this."


class Reply(Protocol):
    """The events of a stream, once, and somebody who listens to them meanwhile."""

    def events(self) -> AsyncIterator[Event]: ...

    def listened_to(self) -> AbstractAsyncContextManager[None]: ...


class Refusal:
    """For answers that nobody waits for: an error with words, within the stream."""

    async def events(self) -> AsyncIterator[Event]:
        yield told(NOTHING_ASKED)

    def listened_to(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()


class SpokenReply:
    """What is stored already, then the reply piece by piece as it is spoken."""

    def __init__(self, stored: Sequence[Event], item: SupportItem, speech: Speech) -> None:
        self._stored = stored
        self._item = item
        self._speech = speech

    def listened_to(self) -> AbstractAsyncContextManager[None]:
        return self._speech.listened_to()

    async def events(self) -> AsyncIterator[Event]:
        for event in self._stored:
            yield event
        yield STREAM_OPTIONS
        yield item_added(self._item)
        begun = False
        async for piece in self._speech.pieces():
            if not piece:  # ChatKit knows no comments: this keeps the connection open
                yield STREAM_OPTIONS
                continue
            if not begun:
                yield part_added(self._item.id)
                begun = True
            yield text_delta(self._item.id, piece)
        for event in self._ending():
            yield event

    def _ending(self) -> Sequence[Event]:
        try:
            self._speech.reply()
        except Problem as problem:
            log_event(
                "support-reply-failed",
                level=logging.WARNING,
                problem=problem.slug,
                cause=problem.cause,
            )
            return [failed(allow_retry=not isinstance(problem, InvalidToken))]
        return [part_done(self._item.id, self._item.content), item_done(self._item)]
