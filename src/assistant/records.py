"""What the person noted about their body, in words."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final, Protocol
from uuid import UUID

from src.anatomy.catalogue import CATALOGUE
from src.anatomy.noted import Noted
from src.assistant.words import lowered
from src.chat.errors import AssistantUnavailable
from src.core.db import is_outage

MOST_NOTE_CHARACTERS: Final = 200

_SIDES: Final = {"left": "left ", "right": "right ", "both": "left and right ", "none": ""}


class RecordsOf(Protocol):
    """A person's latest records, newest first; with `parts` (slugs), only those on them."""

    async def __call__(
        self,
        user_id: UUID,
        *,
        parts: Collection[str] | None = None,
        limit: int = ...,
    ) -> Sequence[Noted]: ...


async def sentences(
    records_of: RecordsOf,
    user_id: UUID,
    *,
    parts: Collection[str] | None,
    limit: int,
) -> list[str]:
    """A sentence for each record, newest first. Raises: `AssistantUnavailable`."""
    try:
        found = await records_of(user_id, parts=parts, limit=limit)
    except Exception as error:
        if is_outage(error):
            raise AssistantUnavailable(cause=f"records: {type(error).__name__}") from error
        raise
    return list(map(_sentence, found))


def _sentence(record: Noted) -> str:
    """For example: "On 3 May 2026 you noted a symptom of the right patella (severity 4 of 10)."."""
    part = CATALOGUE.parts_by_slug.get(record.part)
    name = lowered(part.name) if part else record.part
    article = "an" if record.kind == "injury" else "a"
    noted = f"On {_day(record.created_at.date())} you noted {article} {record.kind}"
    noted += f" of the {_SIDES[record.side]}{name}"
    if record.severity is not None:
        noted += f" (severity {record.severity} of 10)"
    return f"{noted}{_period(record)}{_quoted(record.note)}."


def _period(record: Noted) -> str:
    since = f", since {_day(record.started_on)}" if record.started_on else ""
    if record.ended_on is None:
        return since
    return f"{since}, until {_day(record.ended_on)}"


def _quoted(note: str) -> str:
    text = " ".join(note.split())
    if len(text) > MOST_NOTE_CHARACTERS:
        text = f"{text[:MOST_NOTE_CHARACTERS].rstrip()}…"
    return f": “{text.rstrip('.')}”" if text else ""


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
