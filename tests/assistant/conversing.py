"""A conversation with a responder, without the chat around it."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from src.anatomy.noted import Noted
from src.assistant.local import LocalResponder
from src.chat.responder import Responder, Turn

PERSON = uuid4()


class Notebook:
    """The records of `PERSON`, newest first; nobody else has any."""

    def __init__(self, *noted: Noted) -> None:
        self.noted = noted

    async def __call__(
        self,
        user_id: UUID,
        *,
        parts: Collection[str] | None = None,
        limit: int = 20,
    ) -> Sequence[Noted]:
        theirs = self.noted if user_id == PERSON else ()
        return [record for record in theirs if parts is None or record.part in parts][:limit]


def record(part: str, **details: Any) -> Noted:
    given: dict[str, Any] = {
        "kind": "symptom",
        "side": "none",
        "severity": None,
        "started_on": None,
        "ended_on": None,
        "note": "",
        "created_at": datetime(2026, 5, 3, 9, 30, tzinfo=UTC),
        **details,
    }
    return Noted(part=part, **given)


async def pieces(
    responder: Responder,
    question: str,
    *,
    history: Sequence[Turn] = (),
    user_id: UUID = PERSON,
) -> list[str]:
    reply = responder(user_id=user_id, question=question, history=history)
    return [piece async for piece in reply]


async def converse(*questions: str, notebook: Notebook | None = None) -> str:
    """The local responder's reply to the last question, asked after all the others."""
    responder = LocalResponder(notebook or Notebook())
    history: list[Turn] = []
    reply = ""
    for question in questions:
        reply = "".join(await pieces(responder, question, history=history))
        history += [Turn("user", question), Turn("assistant", reply)]
    return reply
