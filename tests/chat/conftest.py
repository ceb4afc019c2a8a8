"""Chat alone, with a responder that says what it was asked."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import httpx
import pytest

from src.chat.responder import Turn
from src.chat.router import router
from src.chat.speech import Speeches
from src.core.db import SessionMaker
from src.core.identity import Identity
from tests.features import ada, bob, client_of, sessionmaker

__all__ = ["ada", "bob", "sessionmaker"]  # fixtures


class Echo:
    """A responder that remembers what it was told, and can be made to do something first."""

    def __init__(self) -> None:
        self.history: Sequence[Turn] = []
        self.first: Callable[[], Awaitable[Any]] | None = None

    async def __call__(
        self,
        *,
        user_id: UUID,  # noqa: ARG002
        question: str,
        history: Sequence[Turn],
    ) -> AsyncIterator[str]:
        self.history = history
        if self.first:
            await self.first()
        yield f"You said: {question}"


async def everybody_is(identity: Identity) -> bool:  # noqa: ARG001
    return True


@pytest.fixture
def responder() -> Echo:
    return Echo()


@pytest.fixture
async def chat(sessionmaker: SessionMaker, responder: Echo) -> AsyncIterator[httpx.AsyncClient]:
    state = {
        "sessionmaker": sessionmaker,
        "responder": responder,
        "speeches": Speeches(),
        "still_signed_in": everybody_is,
    }
    async with client_of(router, **state) as client:
        yield client
