"""What is said, as it is stored: a message, its reply, and what a repeated request finds of both.

Each function is one step inside a transaction. The session's row is locked first, so that what
belongs to one session is stored in turn.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from textwrap import shorten
from typing import Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.chat import store
from src.chat.errors import IdempotencyKeyReused, SessionNotFound
from src.chat.models import TITLE_LENGTH, ChatMessage, ChatRequest, ChatSession
from src.chat.responder import Turn
from src.chat.schemas import Conversation, Message, RequestBody
from src.core.usage import Limit

# Of one person, new conversations included. A reply takes two minutes at most, so that nobody has
# more than these under way.
MESSAGES: Final = Limit("message", 60, timedelta(minutes=5))
REMEMBERED_TURNS: Final = 20
UNTITLED: Final = "New conversation"


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that its Idempotency-Key tells from all others; both as SHA-256 in hexadecimal."""

    key_hash: str
    body_hash: str


def repeatable(key: str | None, body: RequestBody) -> Repeatable | None:
    """None without a key. Bodies of different kinds are different requests."""
    if key is None:
        return None
    return Repeatable(_hash(key), _hash(f"{type(body).__name__} {body.model_dump_json()}"))


@dataclass(frozen=True, slots=True)
class Saying:
    """What a person says: `text`, or nothing yet, in the session or in a new one."""

    user_id: UUID
    text: str | None
    session_id: UUID | None = None
    title: str | None = None
    request: Repeatable | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What is stored of it; a `reply` only where the same request was answered before."""

    session: Conversation
    message: Message | None
    reply: Message | None
    history: Sequence[Turn]


async def store_saying(db: AsyncSession, saying: Saying) -> Said:
    """Store it, or find what the same request stored.

    Raises: `SessionNotFound`, `IdempotencyKeyReused`; `sqlalchemy.exc.IntegrityError` when there
    is no such user, or when the same request is being stored by somebody else.
    """
    if saying.request:
        request = await store.request_of(db, saying.request.key_hash, user_id=saying.user_id)
        if request:
            return await _said_before(db, saying, request, saying.request.body_hash)
    session = await _session_for(db, saying)
    message = None
    if saying.text is not None:
        message = ChatMessage(session_id=session.id, role="user", content=saying.text)
        await store.add_message(db, session, message)
    if saying.request:
        request = ChatRequest(
            user_id=saying.user_id,
            key_hash=saying.request.key_hash,
            body_hash=saying.request.body_hash,
            session_id=session.id,
            message_id=message.id if message else None,
        )
        await store.add_request(db, request)
    return await _said(db, session, message)


async def store_reply(
    db: AsyncSession,
    saying: Saying,
    session_id: UUID,
    text: str,
    *,
    cut: bool,
) -> Message:
    """Store the reply. A repeatable request has one: a whole reply takes the place of a cut one.

    Raises: `SessionNotFound` when the session was deleted meanwhile.
    """
    session = await _locked_session(db, session_id, saying.user_id)
    request = None
    if saying.request:
        request = await store.request_of(db, saying.request.key_hash, user_id=saying.user_id)
    earlier = await _message(db, request.reply_id if request else None, saying.user_id)
    if earlier is None:
        reply = ChatMessage(session_id=session_id, role="assistant", content=text, cut=cut)
        await store.add_message(db, session, reply)
        if request:
            request.reply_id = reply.id
        return Message.model_validate(reply)
    if earlier.cut and not cut:
        earlier.content, earlier.cut = text, False
    return Message.model_validate(earlier)


async def _said_before(
    db: AsyncSession,
    saying: Saying,
    earlier: ChatRequest,
    body_hash: str,
) -> Said:
    """What the same request stored. Raises: `IdempotencyKeyReused` when it is another one."""
    if earlier.body_hash != body_hash:
        raise IdempotencyKeyReused
    session = await store.session_of(db, earlier.session_id, user_id=saying.user_id)
    if session is None:  # deleted between our two looks
        raise SessionNotFound
    message = await _message(db, earlier.message_id, saying.user_id)
    reply = await _message(db, earlier.reply_id, saying.user_id)
    return await _said(db, session, message, reply)


async def _said(
    db: AsyncSession,
    session: ChatSession,
    message: ChatMessage | None,
    reply: ChatMessage | None = None,
) -> Said:
    before: Sequence[ChatMessage] = ()
    if message and session.message_count > 1:
        before = await store.messages_before(
            db,
            message,
            user_id=session.user_id,
            limit=REMEMBERED_TURNS,
        )
    return Said(
        session=Conversation.model_validate(session),
        message=Message.model_validate(message) if message else None,
        reply=Message.model_validate(reply) if reply else None,
        history=[_turn(Message.model_validate(each)) for each in before],
    )


async def _session_for(db: AsyncSession, saying: Saying) -> ChatSession:
    if saying.session_id is None:
        title = saying.title or title_of(saying.text or "")
        return await store.add_session(db, user_id=saying.user_id, title=title)
    session = await _locked_session(db, saying.session_id, saying.user_id)
    if session.message_count == 0 and session.title == UNTITLED:
        session.title = title_of(saying.text or "")
    return session


async def _locked_session(db: AsyncSession, session_id: UUID, user_id: UUID) -> ChatSession:
    session = await store.lock_session(db, session_id, user_id=user_id)
    if session is None:
        raise SessionNotFound
    return session


async def _message(
    db: AsyncSession,
    message_id: UUID | None,
    user_id: UUID,
) -> ChatMessage | None:
    return await store.message_of(db, message_id, user_id=user_id) if message_id else None


def title_of(text: str) -> str:
    """The text's beginning on one line, ended between two words where it can be."""
    line = " ".join(text.split())
    shortened = shorten(line, TITLE_LENGTH, placeholder="…")
    return line[:TITLE_LENGTH] if shortened == "…" else shortened or UNTITLED


def _turn(message: Message) -> Turn:
    return Turn(role=message.role, content=message.content)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
