"""Bodies of requests and responses of the chat routes."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from src.chat.responder import Role
from src.core.cursors import Cursor

MessageText = Annotated[
    str,
    Field(min_length=1, max_length=8_000, examples=["What does the spleen do?"]),
]


class MessageRequest(BaseModel):
    """Without `session_id`, a new session is opened."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    message: MessageText
    # JSON has no UUIDs, so the strict mode would refuse every one.
    session_id: Annotated[UUID | None, Field(strict=False)] = None


class Message(BaseModel):
    """A stored message. Times are RFC 3339, in UTC."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    role: Role
    content: str
    created_at: datetime


class Exchange(BaseModel):
    """A person's message and the reply to it."""

    success: Literal[True] = True
    session_id: UUID
    message: Message
    reply: Message


class History(BaseModel):
    """A page of a session's messages, oldest first."""

    success: Literal[True] = True
    session_id: UUID
    messages: list[Message]
    next_cursor: Cursor | None
