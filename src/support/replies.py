"""What is answered with a stream: a message is stored first, its reply when it ends.

The reply is spoken as those of our own chat are, by the same responder: apart from the request, so
that what was said outlives it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlmodel.ext.asyncio.session import AsyncSession

from src.chat.responder import Responder, Turn
from src.chat.sayings import REMEMBERED_TURNS, title_of
from src.chat.schemas import Message
from src.chat.speech import Speech, Speeches
from src.core.db import SessionMaker, unit_of_work
from src.issuers.better_auth import BetterAuth, BetterAuthIdentity
from src.support import store
from src.support.errors import ItemNotFound, ThreadNotFound
from src.support.models import SupportItem, SupportThread
from src.support.requests import (
    AddUserMessage,
    CreateThread,
    RetryAfterItem,
    StreamingRequest,
    TellAssistant,
    UserInput,
)
from src.support.store import Range
from src.support.streams import Refusal, Reply, SpokenReply
from src.support.views import Event, item_done, thread_created

BETTER_AUTH_USERS: Final = uuid5(NAMESPACE_URL, "urn:latchkey:better-auth")


def responder_user_id(user_id: str) -> UUID:
    """The id that a responder knows a Better Auth user by: always the same, and nobody else's.

    Our own users' ids are of version 7, this one of version 5: the two never meet, so that no
    responder finds the records of one of our users for a Better Auth user.
    """
    return uuid5(BETTER_AUTH_USERS, user_id)


@dataclass(frozen=True, slots=True)
class Asked:
    """A stored message to reply to, the turns before it, and the events that tell of it."""

    question: SupportItem
    history: Sequence[Turn]
    stored: Sequence[Event]


class Replies:
    """Who says what to whom. Every step has a short database session of its own."""

    def __init__(
        self,
        sessions: SessionMaker,
        *,
        identity: BetterAuthIdentity,
        better_auth: BetterAuth,
        responder: Responder,
        speeches: Speeches,
    ) -> None:
        self._sessions = sessions
        self._user_id = identity.user.id
        self._still_signed_in = partial(better_auth.still_accepts, identity)
        self._responder = responder
        self._speeches = speeches

    async def to(self, asked: StreamingRequest) -> Reply:
        """Store what was said; the reply is spoken once somebody listens.

        Raises: `ThreadNotFound`, `ItemNotFound`.
        """
        async with unit_of_work(self._sessions) as db:
            to_answer = await self._stored(db, asked)
        return self._spoken(to_answer) if to_answer else Refusal()

    async def _stored(self, db: AsyncSession, asked: StreamingRequest) -> Asked | None:
        """None where there is nothing to reply to."""
        match asked:
            case CreateThread():
                return await self._opened(db, asked.params.input)
            case AddUserMessage():
                thread = await self._locked(db, asked.params.thread_id)
                return await self._said(db, thread, asked.params.input)
            case RetryAfterItem():
                return await self._asked_again(db, asked)
            case TellAssistant():
                await self._require(db, asked)
                return None

    async def _opened(self, db: AsyncSession, said: UserInput) -> Asked:
        thread = SupportThread(user_id=self._user_id, title=title_of(said.words))
        await store.add_thread(db, thread)
        return await self._said(db, thread, said, thread_created(thread))

    async def _said(
        self, db: AsyncSession, thread: SupportThread, said: UserInput, *before: Event
    ) -> Asked:
        question = SupportItem(
            thread_id=thread.id,
            role="user",
            content=said.text,
            details=said.model_dump(exclude={"attachments"}, exclude_none=True),
        )
        await store.add_item(db, question)
        return Asked(question, await self._before(db, question), [*before, item_done(question)])

    async def _asked_again(self, db: AsyncSession, asked: RetryAfterItem) -> Asked:
        """What followed the message is gone. Raises: `ItemNotFound` for what is no message."""
        thread = await self._locked(db, asked.params.thread_id)
        question = await store.item_of(
            db, asked.params.item_id, thread_id=thread.id, user_id=self._user_id
        )
        if question is None or question.role != "user":
            raise ItemNotFound
        await store.delete_items_after(db, question, user_id=self._user_id)
        return Asked(question, await self._before(db, question), [])

    async def _require(self, db: AsyncSession, asked: TellAssistant) -> None:
        """Raises: `ThreadNotFound`, `ItemNotFound` for what is not there."""
        thread_id, item_id = asked.params.thread_id, asked.params.item_id
        if await store.thread_of(db, thread_id, user_id=self._user_id) is None:
            raise ThreadNotFound
        if item_id and not await store.item_of(
            db, item_id, thread_id=thread_id, user_id=self._user_id
        ):
            raise ItemNotFound

    async def _before(self, db: AsyncSession, question: SupportItem) -> Sequence[Turn]:
        """The latest turns before the message, oldest first."""
        part = Range("desc", question.id, REMEMBERED_TURNS)
        items = await store.items_of(db, question.thread_id, user_id=self._user_id, part=part)
        turns = [
            Turn(role="user" if item.role == "user" else "assistant", content=item.content)
            for item in items
        ]
        return turns[::-1]

    def _spoken(self, asked: Asked) -> SpokenReply:
        question = asked.question
        item = SupportItem(
            thread_id=question.thread_id,
            role="assistant",
            content="",
            question_id=question.id,
        )
        pieces = self._responder(
            user_id=responder_user_id(self._user_id),
            question=question.content,
            history=asked.history,
        )
        speech = Speech(
            pieces,
            keep=partial(self._keep, item),
            is_signed_in=self._still_signed_in,
            speeches=self._speeches,
        )
        return SpokenReply(asked.stored, item, speech)

    async def _keep(self, item: SupportItem, text: str, *, cut: bool) -> Message:
        """A message has one reply, of several that were spoken the one that was begun last.

        Raises: `ThreadNotFound` and `ItemNotFound` when the question is gone or was asked again.
        """
        item.content, item.cut = text, cut
        async with unit_of_work(self._sessions) as db:
            await self._locked(db, item.thread_id)
            found = await store.exchange_of(db, item, user_id=self._user_id)
            earlier = [each for each in found if each.question_id]
            if len(earlier) == len(found) or any(each.id > item.id for each in earlier):
                raise ItemNotFound
            for each in earlier:
                await db.delete(each)
            await store.add_item(db, item)
        return Message.model_validate(item)

    async def _locked(self, db: AsyncSession, thread_id: UUID) -> SupportThread:
        thread = await store.lock_thread(db, thread_id, user_id=self._user_id)
        if thread is None:
            raise ThreadNotFound
        return thread
