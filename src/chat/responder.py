"""Who answers in a conversation: a port that `app.py` plugs an assistant into."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol
from uuid import UUID

Role = Literal["user", "assistant"]

MAX_CHARACTERS: Final = 8_000


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said."""

    role: Role
    content: str


class Responder(Protocol):
    """Answers a question piece by piece: the pieces together are the reply.

    It has at least one character. Who says more than 8,000 is stopped, and the reply counts as cut.
    `history` holds the latest turns before the question, oldest first. `user_id` is who asks.
    Raises, before or between pieces: `AssistantUnavailable`.
    """

    def __call__(
        self,
        *,
        user_id: UUID,
        question: str,
        history: Sequence[Turn],
    ) -> AsyncIterator[str]: ...
