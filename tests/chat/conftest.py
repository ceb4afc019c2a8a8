"""Chat alone, with a responder that says what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from src.chat.responder import Responder, Turn
from src.chat.router import router
from src.chat.speech import Pace, Speeches
from src.core.db import SessionMaker
from src.core.identity import Identity, StillSignedIn
from tests.features import ada, bob, client_of, sessionmaker

Statement = tuple[str, Any]

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


class Speaker:
    """A responder that says what the test tells it to say, when the test tells it to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.history: Sequence[Turn] = []
        self.said: list[str] = []
        self.user_id: UUID | None = None
        self.first: Callable[[], Awaitable[Any]] | None = None
        self.let_go = 0
        self._script: asyncio.Queue[str | Exception | None] = asyncio.Queue()

    def say(self, *pieces: str | Exception | None) -> None:
        """Pieces, a failure, or None for the end."""
        for piece in pieces:
            self._script.put_nowait(piece)

    async def __call__(
        self,
        *,
        user_id: UUID,
        question: str,
        history: Sequence[Turn],
    ) -> AsyncIterator[str]:
        self.asked.append(question)
        self.user_id, self.history = user_id, history
        if self.first:
            await self.first()
        try:
            while (piece := await self._script.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                self.said.append(piece)
                yield piece
        finally:
            self.let_go += 1


class SignedIn:
    """The `StillSignedIn` port, for all alike."""

    def __init__(self) -> None:
        self.accepted = True

    async def __call__(self, identity: Identity) -> bool:  # noqa: ARG002
        return self.accepted


@pytest.fixture
def responder() -> Echo:
    return Echo()


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def signed_in() -> SignedIn:
    return SignedIn()


@pytest.fixture
def speeches() -> Speeches:
    return Speeches(Pace(look=0.01))


@pytest.fixture
async def chat(sessionmaker: SessionMaker, responder: Echo) -> AsyncIterator[httpx.AsyncClient]:
    """Chat with a responder that says what it was asked."""
    async with _client(sessionmaker, responder, Speeches(), SignedIn()) as client:
        yield client


@pytest.fixture
async def talk(
    sessionmaker: SessionMaker,
    speaker: Speaker,
    speeches: Speeches,
    signed_in: SignedIn,
) -> AsyncIterator[httpx.AsyncClient]:
    """Chat with a responder that the test speaks for."""
    async with speeches.kept(), _client(sessionmaker, speaker, speeches, signed_in) as client:
        yield client


@pytest.fixture
def statements(engine: AsyncEngine) -> Iterator[list[Statement]]:
    """What the database is asked, with the parameters, in the form of its driver."""
    asked: list[Statement] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine.sync_engine, "before_cursor_execute", note)


def _client(
    sessionmaker: SessionMaker,
    responder: Responder,
    speeches: Speeches,
    still_signed_in: StillSignedIn,
) -> httpx.AsyncClient:
    return client_of(
        router,
        sessionmaker=sessionmaker,
        responder=responder,
        speeches=speeches,
        still_signed_in=still_signed_in,
    )
