"""What a question is about and what it wants to know, with the conversation so far in mind."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from src.anatomy.catalogue import Part, System
from src.anatomy.search import Subject, words
from src.assistant.intents import Intent, intent_of, is_complaint
from src.assistant.mentions import Mention, mentions
from src.assistant.regions import is_region, region_in
from src.assistant.words import beginning, folded
from src.chat.responder import Turn

MOST_CHARACTERS: Final = 1_000  # that are read; what goes on for longer is no question
MOST_SUBJECTS: Final = 3
REMEMBERED_QUESTIONS: Final = 4
SHORT: Final = 5  # words; a question of no more, without a subject, is about the last one

_JOINING: Final = frozenset(
    folded("a an the my your his her and or both but also vs versus"),
)
_QUESTION: Final = re.compile(r"[^.!?\n]+\?")
# "It stops food, the epiglottis?": what is named after the one comma is what is meant.
_APPOSITION: Final = re.compile(r"[^,]+, (?:is (?:it|that) )?(?:the|an?) [^,]+\?\s*")
_REFERS_BACK: Final = re.compile(
    r"\b(it|its|they|them|their|theirs|that|this|those|these|one|ones)\b"
    r"|\b(left|right|other) (side|one)\b|\bmore\b|^why$|^go on",
)
_INSTEAD: Final = re.compile(r"^(and|or|but|so|also|what about|how about)\b")
_JOINS_TO_IT: Final = re.compile(r"\b(is|are|does|do|can|how|and|that) (it|they)\b")
_SIDE: Final = re.compile(r"\b(left|right|other side)\b")
_TO_US: Final = re.compile(r"\byou\b")  # "What can you do?" is about the assistant
_RELATING: Final = (Intent.RELATION, Intent.NEIGHBOURS, Intent.SYSTEM)


@dataclass(frozen=True, slots=True)
class Question:
    """A question as far as it was understood.

    `said`: its folded words. `subjects`: what it is about, the first one above all. `beside`: what
    it mentions along with that. `kind`: the system whose kind of part ("muscle") is asked for.
    `region`: its slug; `by_region`: the subject goes by its name ("arm" for the humerus).
    `side`: left, right or other side.
    """

    said: str
    intent: Intent
    subjects: tuple[Subject, ...] = ()
    beside: Subject | None = None
    kind: System | None = None
    region: str | None = None
    by_region: bool = False
    side: str | None = None
    is_complaint: bool = False


def understood(question: str, history: Sequence[Turn]) -> Question:
    """A question, in the light of those before it where it refers to them."""
    own = _by_itself(question)
    if own.subjects and not _REFERS_BACK.search(own.said) and not _INSTEAD.search(own.said):
        return own
    earlier: Question | None = None
    for meant in _earlier(history):
        meant_then = _in_the_light_of(earlier, meant)
        earlier = meant_then if meant_then.subjects else earlier
    return _in_the_light_of(earlier, own)


def _earlier(history: Sequence[Turn]) -> list[Question]:
    """The questions before, oldest first, from the last one on that needs no other."""
    asked = [turn.content for turn in history if turn.role == "user"]
    found: list[Question] = []
    for text in reversed(asked[-REMEMBERED_QUESTIONS:]):
        found.insert(0, _by_itself(text))
        if found[0].subjects and not _REFERS_BACK.search(found[0].said):
            break
    return found


def _by_itself(text: str) -> Question:
    text = beginning(text, MOST_CHARACTERS)
    asking = _QUESTION.findall(text)
    # "My chest hurts. Where is the heart?" asks about the heart.
    question = asking[-1] if asking and mentions(asking[-1]) else text
    said = " ".join(folded(question))
    found = mentions(question)
    named = [mention for mention in found if not mention.is_generic]
    kind = next((m.subject for m in found if m.is_generic and isinstance(m.subject, System)), None)
    subjects = _subjects(question, named, kind)
    side = _SIDE.search(said)
    return Question(
        said=said,
        intent=intent_of(said),
        subjects=subjects or ((kind,) if kind else ()),
        beside=next((m.subject for m in named if m.subject not in subjects), None),
        kind=kind,
        region=region_in(words(question)),
        by_region=any(
            is_region(words(" ".join(folded(question)[m.start : m.end])))
            for m in named
            if m.subject in subjects[:1]
        ),
        side=side[1] if side else None,
        is_complaint=is_complaint(" ".join(folded(text))),
    )


def _subjects(
    question: str,
    named: Sequence[Mention],
    kind: System | None,
) -> tuple[Subject, ...]:
    """The subject that is meant, and those that are joined to it ("the liver and the spleen")."""
    if not named:
        return ()
    if _APPOSITION.fullmatch(question):
        return (named[-1].subject,)
    # "Which muscle bends the elbow, the biceps?" means the muscle.
    first = next((mention for mention in named if _is_of(mention.subject, kind)), named[0])
    spelt = folded(question)
    joined = [first]
    for mention in named[named.index(first) + 1 :]:
        if not _JOINING.issuperset(spelt[joined[-1].end : mention.start]):
            break
        joined.append(mention)
    return tuple(dict.fromkeys(mention.subject for mention in joined))[:MOST_SUBJECTS]


def _is_of(subject: Subject, kind: System | None) -> bool:
    return kind is not None and isinstance(subject, Part) and subject.system == kind.slug


def _in_the_light_of(earlier: Question | None, own: Question) -> Question:
    if earlier is None:
        return own
    about = own.subjects[0] if own.subjects else None
    if about is None or (about == own.kind and _REFERS_BACK.search(own.said)):
        return _about_the_same(earlier, own) if _refers_back(own) else own
    if _INSTEAD.search(own.said) and own.intent is Intent.TELL:
        return replace(own, intent=earlier.intent)
    if own.intent in _RELATING and _JOINS_TO_IT.search(own.said):
        return replace(own, subjects=(earlier.subjects[0], about), intent=Intent.RELATION)
    return own


def _about_the_same(earlier: Question, own: Question) -> Question:
    # "And on the left side?"
    intent = Intent.WHERE if own.side and own.intent is Intent.TELL else own.intent
    region = own.region or earlier.region
    return replace(own, subjects=earlier.subjects, intent=intent, region=region)


def _refers_back(own: Question) -> bool:
    if _REFERS_BACK.search(own.said) or _INSTEAD.search(own.said):
        return True
    if _TO_US.search(own.said):
        return False
    return len(own.said.split()) <= SHORT and own.intent is not Intent.TELL
