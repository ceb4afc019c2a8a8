"""Who answers in a conversation: a port that `app.py` plugs an assistant into."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said."""

    role: Role
    content: str


class Responder(Protocol):
    """Answers a question, a text of 1 to 8,000 characters, with a text of as many.

    `history` holds the latest turns before the question, oldest first.
    """

    async def __call__(self, *, question: str, history: Sequence[Turn]) -> str: ...
