"""A responder that needs no network: it explains the parts and systems of the catalogue.

It never diagnoses, and where a question sounds like an emergency it says first whom to call.
"""

import re
import unicodedata
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from src.anatomy.catalogue import CATALOGUE, Part, System
from src.chat.responder import Turn

Words = tuple[str, ...]

MOST_EXPLAINED: Final = 3
EMERGENCY: Final = (
    "If somebody needs help right now, call your local emergency number first. "
    "I only explain anatomy: I cannot help in an emergency."
)
NO_DIAGNOSIS: Final = (
    "I cannot tell what is behind a complaint, nor how to treat it: please ask a doctor about that."
)
ABILITIES: Final = (
    "I can explain parts of the body and body systems, by their English, Latin or everyday name. "
    "Ask me, for example: What does the spleen do? Where is the clavicle? "
    "What is the endocrine system?"
)

_WORD: Final = re.compile(r"[^\W_]+")
_APOSTROPHES: Final = str.maketrans("", "", "'’ʼ")


def _words(text: str) -> Words:
    """Words in one spelling: without upper case, apostrophes and the English plural."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)
    return tuple(map(_singular, _WORD.findall(folded)))


def _singular(word: str) -> str:
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _phrases(*texts: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(_words(text)) for text in texts)


# Each applies when all of its words occur: better one warning too many.
_EMERGENCIES: Final = _phrases(
    "emergency",
    "heart attack",
    "chest pain",
    "chest hurts",
    "cannot breathe",
    "can't breathe",
    "not breathing",
    "isn't breathing",
    "trouble breathing",
    "choking",
    "unconscious",
    "passed out",
    "stroke",
    "face drooping",
    "seizure",
    "overdose",
    "poisoned",
    "anaphylaxis",
    "bleeding stop",
    "bleeding heavily",
    "severe bleeding",
    "suicide",
    "suicidal",
    "kill myself",
    "want die",
)
_COMPLAINTS: Final = _phrases(
    "pain",
    "painful",
    "hurt",
    "ache",
    "aching",
    "sore",
    "swollen",
    "lump",
    "bleeding",
    "broken",
    "cancer",
    "sick",
    "symptom",
    "diagnose",
    "diagnosis",
    "disease",
    "treatment",
    "cure",
    "medicine",
    "wrong with",
    "do I have",
)


class LocalResponder:
    """The `Responder` that answers from the catalogue alone."""

    async def __call__(
        self,
        *,
        user_id: UUID,  # noqa: ARG002
        question: str,
        history: Sequence[Turn],  # noqa: ARG002
    ) -> AsyncIterator[str]:
        words = _words(question)
        subjects = _subjects(words)[:MOST_EXPLAINED]
        emergency, complaint = _mentions(words, _EMERGENCIES), _mentions(words, _COMPLAINTS)
        paragraphs = [EMERGENCY] if emergency else []
        paragraphs += [_explanation(subject) for subject in subjects]
        if emergency or complaint:
            paragraphs.append(NO_DIAGNOSIS)
        if not (emergency or subjects):
            paragraphs.append(ABILITIES)
        yield "\n\n".join(paragraphs)


def _mentions(words: Words, phrases: Iterable[frozenset[str]]) -> bool:
    said = set(words)
    return any(phrase <= said for phrase in phrases)


def _names(subject: Part | System) -> Iterable[str]:
    yield subject.name
    yield from subject.everyday_names
    if isinstance(subject, Part):
        yield subject.latin_name
    else:
        yield subject.slug


def _index() -> Mapping[Words, Part | System]:
    subjects: tuple[Part | System, ...] = (*CATALOGUE.systems, *CATALOGUE.parts)
    return {_words(name): subject for subject in subjects for name in _names(subject)}


_SUBJECTS: Final = _index()
_LONGEST: Final = max(map(len, _SUBJECTS))


def _subjects(words: Words) -> list[Part | System]:
    """What the words name, in order, once each; at every place the longest name wins."""
    found: dict[str, Part | System] = {}
    position = 0
    while position < len(words):
        length = _name_length_at(words, position)
        if length:
            subject = _SUBJECTS[words[position : position + length]]
            found.setdefault(subject.slug, subject)
        position += length or 1
    return list(found.values())


def _name_length_at(words: Words, position: int) -> int:
    """How many words from this place on are a name; 0 when none is."""
    lengths = range(_LONGEST, 0, -1)
    return next((n for n in lengths if words[position : position + n] in _SUBJECTS), 0)


def _explanation(subject: Part | System) -> str:
    if isinstance(subject, System):
        parts = ", ".join(p.name.lower() for p in CATALOGUE.parts if p.system == subject.slug)
        return f"{subject.name}. {subject.summary} Parts that I know: {parts}."
    latin = f" (Latin: {subject.latin_name})"
    also = f", also called {' or '.join(subject.everyday_names)}" if subject.everyday_names else ""
    return f"{subject.name}{latin}{also}. {subject.description}"
