"""Replies while they are spoken: apart from the request, so that what was said outlives it.

No database connection is held meanwhile; what was said is kept when the speech ends.
"""

import asyncio
import re
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from src.chat.errors import AssistantUnavailable
from src.chat.responder import MAX_CHARACTERS
from src.chat.schemas import Message
from src.core.errors import InternalError, InvalidToken, Problem, ServiceUnavailable
from src.core.logging import log_event
from src.core.metrics import metrics

LET_GO_SECONDS: Final = 2.0  # for a responder that is interrupted
STORE_SECONDS: Final = 4.0  # for all that are still spoken when the server stops
TAKE_SECONDS: Final = 5.0  # for a client to read the rest after the end

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: the longest speech, the longest silence, between two looks at who is signed in."""

    lifetime: float = 120.0
    heartbeat: float = 12.0
    look: float = 0.4


class Keep(Protocol):
    """Stores what was said, `cut` when it is not all. Raises: `Problem`."""

    async def __call__(self, text: str, *, cut: bool) -> Message: ...


class Speech:
    """One reply: pieces to listen to, once, and how it ended."""

    def __init__(
        self,
        pieces: AsyncIterator[str],
        *,
        keep: Keep,
        is_signed_in: Callable[[], Awaitable[bool]],
        speeches: "Speeches",
    ) -> None:
        self._coming = pieces
        self._keep = keep
        self._is_signed_in = is_signed_in
        self._speeches = speeches
        self._pace = speeches.pace
        self._said: list[str] = []
        self._room = MAX_CHARACTERS
        self._news = asyncio.Event()
        self._ended = False
        self._stopped: asyncio.Future[Problem | None] = asyncio.get_running_loop().create_future()
        self._patience: asyncio.Timeout | None = None
        self._reply: Message | None = None
        self._problem: Problem | None = None

    def stop(self, problem: Problem | None = None) -> None:
        """End early, for this reason; without one, nobody has to be told."""
        if not self._stopped.done():
            self._stopped.set_result(problem)

    async def pieces(self) -> AsyncIterator[str]:
        """Begin; the pieces as they come, an empty one for each silence. Then all is stored."""
        self._speeches.begin(self)
        told = 0
        while not self._ended or told < len(self._said):
            if told < len(self._said):
                yield self._said[told]
                told += 1
            elif not await self._news_come():
                yield ""

    def reply(self) -> Message:
        """What was stored, once the pieces have ended. Raises: the `Problem` that ended it."""
        if self._problem or self._reply is None:
            raise self._problem or AssistantUnavailable(cause="nobody listened")
        return self._reply

    @asynccontextmanager
    async def listened_to(self) -> AsyncIterator[None]:
        """Somebody listens for as long as the block runs; afterwards the speech is over.

        Raises: TimeoutError when the rest is not taken soon after the end.
        """
        try:
            async with asyncio.timeout(None) as self._patience:
                yield
        finally:
            self._patience = None
            self.stop()

    async def run(self) -> None:
        """Speak to the end, or until stopped, and keep what was said."""
        speaking = asyncio.create_task(self._speak())
        looking = asyncio.create_task(self._look())
        try:
            is_whole = await self._ending_of(speaking)
            speaking.cancel()
            looking.cancel()
            await asyncio.wait({speaking, looking}, timeout=LET_GO_SECONDS)
            if self._said:
                await self._store(cut=not is_whole)
        finally:
            self._end()

    async def _ending_of(self, speaking: asyncio.Task[Problem | None]) -> bool:
        """Whether all was said; if not, `_problem` is why, None where nobody has to be told."""
        first = {speaking, self._stopped}
        await asyncio.wait(first, timeout=self._pace.lifetime, return_when=FIRST_COMPLETED)
        if speaking.done():
            self._problem = speaking.result()
            return self._problem is None and self._room >= 0
        if self._stopped.done():
            self._problem = self._stopped.result()
        else:
            self._problem = AssistantUnavailable(cause="the reply took too long")
        return False

    async def _speak(self) -> Problem | None:
        """What kept the responder from finishing."""
        try:
            async for piece in self._coming:
                self._hear(piece)
        except Problem as problem:
            return problem
        except Exception as error:  # noqa: BLE001 - whatever it is, what was said is kept
            log_event("responder-failed", exception=error)
            return InternalError()
        return None if self._said else AssistantUnavailable(cause="nothing was said")

    def _hear(self, piece: str) -> None:
        heard = _UNSTORABLE.sub("\ufffd", piece[: max(self._room, 0)])
        self._room -= len(piece)
        if self._room < 0:
            self.stop()
        if heard:
            self._said.append(heard)
            self._news.set()

    async def _look(self) -> None:
        """Stop once the person's log-in session has ended, or nobody looks any more.

        An outage does not tell: it is looked again.
        """
        while True:
            await asyncio.sleep(self._pace.look)
            try:
                if not await self._is_signed_in():
                    self.stop(InvalidToken(cause="revoked while the reply was spoken"))
            except ServiceUnavailable:
                continue
            except Exception as error:  # noqa: BLE001 - unseen, a revocation would change nothing
                log_event("look-failed", exception=error)
                self.stop(InternalError())
                return

    async def _store(self, *, cut: bool) -> None:
        try:
            self._reply = await self._keep("".join(self._said), cut=cut)
        except Problem as problem:
            self._problem = problem
        except Exception as error:  # noqa: BLE001 - who listens must hear of an end
            log_event("reply-not-kept", exception=error)
            self._problem = InternalError()

    def _end(self) -> None:
        self._ended = True
        self._news.set()
        if self._patience:
            self._patience.reschedule(asyncio.get_running_loop().time() + TAKE_SECONDS)

    async def _news_come(self) -> bool:
        """False when the silence lasted for a heartbeat."""
        self._news.clear()
        try:
            async with asyncio.timeout(self._pace.heartbeat):
                await self._news.wait()
        except TimeoutError:
            return False
        return True


class Told:
    """A reply that is stored already: what a repeated request is answered with."""

    def __init__(self, reply: Message) -> None:
        self._reply = reply

    async def pieces(self) -> AsyncIterator[str]:
        nothing_new: tuple[str, ...] = ()
        for piece in nothing_new:
            yield piece

    def reply(self) -> Message:
        return self._reply

    @asynccontextmanager
    async def listened_to(self) -> AsyncIterator[None]:
        yield


class Speeches:
    """All that are spoken in this worker, so that they can be ended together."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._running: dict[asyncio.Task[None], Speech] = {}
        self._stopping = False

    def begin(self, speech: Speech) -> None:
        task = asyncio.create_task(speech.run())
        self._running[task] = speech
        metrics().speaking(len(self._running))
        task.add_done_callback(self._forget)
        if self._stopping:
            speech.stop(ServiceUnavailable(cause="stopping"))

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        metrics().speaking(len(self._running))

    def stop(self) -> None:
        """End those that run and those still to come: the server is stopping."""
        self._stopping = True
        for speech in self._running.values():
            speech.stop(ServiceUnavailable(cause="stopping"))

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """After the block, all have ended and are stored."""
        try:
            yield
        finally:
            self.stop()
            if self._running:
                await asyncio.wait(self._running, timeout=STORE_SECONDS)
