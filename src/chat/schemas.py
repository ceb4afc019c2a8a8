"""Bodies of requests and responses of the chat routes."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from src.chat.cursors import SessionCursor
from src.chat.models import TITLE_LENGTH
from src.chat.responder import MAX_CHARACTERS, Role
from src.core.cursors import Cursor

MessageText = Annotated[
    str,
    Field(min_length=1, max_length=MAX_CHARACTERS, examples=["What does the spleen do?"]),
]
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_LENGTH),
    Field(examples=["About the spleen"]),
]


class RequestBody(BaseModel):
    """Unknown members are refused, and what was sent is never repeated."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class MessageRequest(RequestBody):
    """Without `session_id`, a new session is opened."""

    message: MessageText
    # JSON has no UUIDs, so the strict mode would refuse every one.
    session_id: Annotated[UUID | None, Field(strict=False)] = None


class NewSession(RequestBody):
    """Without `title`, the session is named after its first message."""

    title: Title | None = None
    initial_message: MessageText | None = None


class SessionChange(RequestBody):
    """What of a session its owner may change."""

    title: Title


class Conversation(BaseModel):
    """A chat session. `updated_at` is the time of its latest message."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime
    message_count: Annotated[int, Field(description="of both roles")]


class Message(BaseModel):
    """A stored message. Times are RFC 3339, in UTC."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    role: Role
    content: str
    cut: Annotated[bool, Field(description="a reply that ended before it was finished")]
    created_at: datetime


class Exchange(BaseModel):
    """A person's message and the reply to it."""

    success: Literal[True] = True
    session_id: UUID
    message: Message
    reply: Message


class OpenedSession(BaseModel):
    """A new session, with the initial message and the reply to it where there was one."""

    success: Literal[True] = True
    session: Conversation
    messages: list[Message]


class SessionAnswer(BaseModel):
    """One session."""

    success: Literal[True] = True
    session: Conversation


class SessionPage(BaseModel):
    """A page of a person's sessions, latest activity first."""

    success: Literal[True] = True
    sessions: list[Conversation]
    next_cursor: SessionCursor | None


class SessionDeleted(BaseModel):
    """The session and its messages are gone."""

    success: Literal[True] = True


class History(BaseModel):
    """A page of a session's messages, oldest first."""

    success: Literal[True] = True
    session_id: UUID
    messages: list[Message]
    next_cursor: Cursor | None


class Sent(BaseModel):
    """The stream's event `message`: the person's message, stored."""

    session_id: UUID
    message: Message


class Delta(BaseModel):
    """The stream's event `delta`: the next piece of the reply."""

    text: str


class Replied(BaseModel):
    """The stream's event `reply`: the reply as it is stored."""

    session_id: UUID
    reply: Message
