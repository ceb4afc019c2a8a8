"""A responder that needs no network: it answers from the catalogue and the person's own records.

It never diagnoses, and where a question sounds like an emergency it says first whom to call.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final
from uuid import UUID

from src.anatomy.catalogue import CATALOGUE, Part
from src.assistant.answers import answer, region_list
from src.assistant.emergencies import CRISIS, warning_for
from src.assistant.intents import Intent
from src.assistant.records import RecordsOf, sentences
from src.assistant.understanding import Question, understood
from src.chat.responder import Turn

MOST_CHARACTERS: Final = 8_000
MOST_RECORDS: Final = 3
MOST_RECORDS_ASKED_FOR: Final = 10
MOST_IN_REGION: Final = 10
NO_DIAGNOSIS: Final = (
    "I cannot tell what is behind a complaint, nor how to treat it: please ask a doctor about that."
)
COMFORT: Final = f"I am sorry to hear that. {NO_DIAGNOSIS}"
ABILITIES: Final = (
    "I can explain parts of the body and body systems, by their English, Latin or everyday name. "
    "Ask me, for example: What does the spleen do? Where is the kneecap? "
    "What is next to the liver? What is the endocrine system?"
)
NO_RECORDS: Final = "You have no records on that yet."
WELCOME: Final = "You are welcome. Ask me whenever you want to know more about the body."

_MINE: Final = re.compile(r"\b(i|im|ive|my|me)\b")
_THANKS: Final = re.compile(r"\b(thanks|thank you|thx|cheers|ta)\b")
_GREETING: Final = re.compile(r"^(hello|hi|hey|good (morning|day|afternoon|evening))\b")
_SENTENCE: Final = re.compile(r".+?(?:[.!?:](?=\s)\s+|$)", re.DOTALL)


class LocalResponder:
    """The `Responder` that answers from the catalogue alone, a sentence at a time."""

    def __init__(self, records_of: RecordsOf) -> None:
        self._records_of = records_of

    async def __call__(
        self,
        *,
        user_id: UUID,
        question: str,
        history: Sequence[Turn],
    ) -> AsyncIterator[str]:
        """Raises: `AssistantUnavailable` when the records cannot be read."""
        meant = understood(question, history)
        warning = warning_for(question)
        paragraphs = [warning] if warning else []
        if warning != CRISIS:  # nobody is told where an artery lies who may want to die
            if meant.is_complaint:
                paragraphs.append(COMFORT if _MINE.search(meant.said) else NO_DIAGNOSIS)
            paragraphs += _explained(meant)
            paragraphs += await self._noted(meant, user_id)
        if not paragraphs:
            paragraphs.append(_small_talk(meant.said))
        for sentence in _sentences_of("\n\n".join(paragraphs)[:MOST_CHARACTERS]):
            yield sentence

    async def _noted(self, meant: Question, user_id: UUID) -> list[str]:
        """The person's own records on what they ask about, as one paragraph, if there are any."""
        parts = {subject.slug for subject in meant.subjects if isinstance(subject, Part)}
        asked_for = meant.intent is Intent.RECORDS
        if not (parts or asked_for):
            return []
        if asked_for and meant.region:
            parts |= {part.slug for part in CATALOGUE.parts if part.region == meant.region}
        noted = await sentences(
            self._records_of,
            user_id,
            parts=parts or None,
            limit=MOST_RECORDS_ASKED_FOR if asked_for else MOST_RECORDS,
        )
        if asked_for and not noted:
            return [NO_RECORDS]
        return [" ".join(noted)] if noted else []


def _explained(meant: Question) -> list[str]:
    if meant.intent is Intent.RECORDS:
        return []
    asks_for_list = meant.intent is Intent.PARTS or not meant.subjects
    in_region: list[str] = []
    # "What is the hand?": the subject is only the part that is meant most often.
    if meant.region and (asks_for_list or meant.by_region):
        most = None if asks_for_list else MOST_IN_REGION
        in_region = region_list(meant.region, meant.kind, most=most)
    return in_region if in_region and asks_for_list else [*in_region, *answer(meant)]


def _small_talk(said: str) -> str:
    if _THANKS.search(said):
        return WELCOME
    return f"Hello! {ABILITIES}" if _GREETING.search(said) else ABILITIES


def _sentences_of(text: str) -> Iterator[str]:
    """The text again, in pieces."""
    return (match[0] for match in _SENTENCE.finditer(text))
