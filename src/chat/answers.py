"""Saying something and being answered: the message is stored first, the reply when it ends."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from src.chat import store
from src.chat.errors import SessionNotFound
from src.chat.responder import Responder
from src.chat.sayings import Said, Saying, repeatable, store_reply, store_saying
from src.chat.schemas import (
    Conversation,
    Exchange,
    Message,
    MessageRequest,
    NewSession,
    OpenedSession,
)
from src.chat.speech import Speech, Speeches, Told
from src.core.db import SessionMaker, unit_of_work
from src.core.errors import InvalidToken
from src.core.identity import Identity, StillSignedIn


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored message, and the reply that is spoken once somebody listens."""

    session_id: UUID
    message: Message
    speech: Speech | Told

    async def whole(self) -> Exchange:
        """Raises: the `Problem` that ended the reply."""
        async for _ in self.speech.pieces():
            pass
        return Exchange(
            session_id=self.session_id,
            message=self.message,
            reply=self.speech.reply(),
        )


class Answers:
    """What people say, and who replies. Every step has a short database session of its own."""

    def __init__(
        self,
        sessions: SessionMaker,
        *,
        responder: Responder,
        speeches: Speeches,
        still_signed_in: StillSignedIn,
    ) -> None:
        self._sessions = sessions
        self._responder = responder
        self._speeches = speeches
        self._still_signed_in = still_signed_in

    async def to_message(self, who: Identity, body: MessageRequest, key: str | None) -> Answer:
        """Store a message, in a new session when none is named; the reply is still to come.

        The message is kept even if no reply comes.
        Raises: `SessionNotFound`, `IdempotencyKeyReused`, `InvalidToken` for an unknown user.
        """
        saying = Saying(
            who.user_id,
            body.message,
            session_id=body.session_id,
            request=repeatable(key, body),
        )
        said = await self._store(saying)
        return self._answer(who, saying, said)

    async def to_new_session(
        self,
        who: Identity,
        body: NewSession,
        key: str | None,
    ) -> OpenedSession:
        """Open a session. An initial message is answered at once.

        Raises: `IdempotencyKeyReused`, `AssistantUnavailable`, `InvalidToken`.
        """
        saying = Saying(
            who.user_id,
            body.initial_message,
            title=body.title,
            request=repeatable(key, body),
        )
        said = await self._store(saying)
        if said.message is None:
            return OpenedSession(session=said.session, messages=[])
        exchange = await self._answer(who, saying, said).whole()
        async with unit_of_work(self._sessions) as db:
            session = await store.session_of(db, said.session.id, user_id=who.user_id)
        if session is None:
            raise SessionNotFound
        return OpenedSession(
            session=Conversation.model_validate(session),
            messages=[exchange.message, exchange.reply],
        )

    def _answer(self, who: Identity, saying: Saying, said: Said) -> Answer:
        assert said.message  # noqa: S101 - the caller said something
        if said.reply and not said.reply.cut:
            return Answer(said.session.id, said.message, Told(said.reply))

        async def keep(text: str, *, cut: bool) -> Message:
            async with unit_of_work(self._sessions) as db:
                return await store_reply(db, saying, said.session.id, text, cut=cut)

        pieces = self._responder(
            user_id=who.user_id,
            question=said.message.content,
            history=said.history,
        )
        speech = Speech(
            pieces,
            keep=keep,
            is_signed_in=partial(self._still_signed_in, who),
            speeches=self._speeches,
        )
        return Answer(said.session.id, said.message, speech)

    async def _store(self, saying: Saying) -> Said:
        """Raises: `InvalidToken` for an unknown user, and what `store_saying` raises."""
        with suppress(IntegrityError):
            return await self._store_once(saying)
        # Either the same request was stored a moment ago, and is found now, or nobody asks.
        try:
            return await self._store_once(saying)
        except IntegrityError as error:
            raise InvalidToken(cause="user is unknown") from error

    async def _store_once(self, saying: Saying) -> Said:
        async with unit_of_work(self._sessions) as db:
            return await store_saying(db, saying)
