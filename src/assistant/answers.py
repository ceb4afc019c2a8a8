"""What is said about parts and systems: short paragraphs, each an answer to one intent."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Final

from src.anatomy.catalogue import CATALOGUE, Part, System
from src.anatomy.search import Subject
from src.assistant.intents import Intent
from src.assistant.regions import region_name
from src.assistant.understanding import Question
from src.assistant.words import lowered

MOST_EXAMPLES: Final = 10
_PRONOUN: Final = re.compile(r"^(It|They)\b")
_BARE_VERB: Final = re.compile(r"(?!Its |This )[A-Z][a-z]+s ")


def answer(question: Question) -> list[str]:
    """The paragraphs that answer a question which has subjects."""
    related = question.subjects
    if question.beside is not None and len(related) == 1:
        related = (related[0], question.beside)
    if len(related) > 1 and _is_about_relation(question.intent, related):
        return [_relation(one, other) for one, other in combinations(related, 2)]
    return [_about(subject, question) for subject in question.subjects]


def _is_about_relation(intent: Intent, subjects: Sequence[Subject]) -> bool:
    if intent is Intent.SYSTEM:  # "is the liver part of the digestive system"
        return any(isinstance(subject, System) for subject in subjects)
    return intent in (Intent.RELATION, Intent.NEIGHBOURS)


def region_list(region: str, kind: System | None, *, most: int | None = None) -> list[str]:
    """Which parts the catalogue has in a region, of one system or of all."""
    parts = [
        part
        for part in CATALOGUE.parts
        if part.region == region and (kind is None or part.system == kind.slug)
    ]
    if not parts:
        return []
    of_kind = f" of the {lowered(kind.name)}" if kind else ""
    listed = _listed(parts[:most])
    more = f" and {len(parts[most:])} more" if most and parts[most:] else ""
    return [f"In the {region_name(region)} I know these parts{of_kind}: {listed}{more}."]


def the(subject: Subject) -> str:
    return f"the {lowered(subject.name)}"


def _about(subject: Subject, question: Question) -> str:
    if isinstance(subject, System):
        return _about_system(subject, question)
    say = _ABOUT_PART.get(question.intent, _tell)
    return say(subject, question)


def _about_system(system: System, question: Question) -> str:
    if question.intent in (Intent.PARTS, Intent.SYSTEM, Intent.MEASURE):
        return f"Of {the(system)} I know {len(system.parts)} parts: {_listed(system.parts)}."
    if question.intent is Intent.FUNCTION:
        return f"{system.name}. {system.summary}"
    some = _listed(system.parts[:MOST_EXAMPLES])
    return f"{system.name}. {system.summary}\n\nSome of its parts: {some}."


def _tell(part: Part, _: Question) -> str:
    return f"{_what(part)} {_does(part, _pronoun(part))}\n\n{_belongs(part)} {_beside(part)}"


def _look(part: Part, _: Question) -> str:
    return _what(part)


def _where(part: Part, question: Question) -> str:
    return f"{_place(part, question.side)} {_is(part)}\n\n{_beside(part)}"


def _function(part: Part, _: Question) -> str:
    return _does(part, _upper(the(part)))


def _neighbours(part: Part, question: Question) -> str:
    neighbours = _neighbours_of(part)
    if question.kind is None:
        return _beside(part)
    same_kind = [n for n in neighbours if n.system == question.kind.slug]
    if not same_kind:
        return f"Of {the(question.kind)} I know no part next to {the(part)}. {_beside(part)}"
    return (
        f"Next to {the(part)} you find, of the {lowered(question.kind.name)}: {_listed(same_kind)}."
    )


def _names(part: Part, _: Question) -> str:
    everyday = ", ".join(part.everyday_names)
    also = f" I also find it by: {everyday}." if everyday else ""
    return f"The Latin name of {the(part)} is {part.latin_name}.{also}"


def _system(part: Part, _: Question) -> str:
    return _belongs(part)


def _measure(part: Part, question: Question) -> str:
    if "how many" in question.said or "number of" in question.said:
        if part.paired:
            return f"{_is(part)} There are such on the left and on the right."
        return _is(part)
    return f"{_is(part)} {_does(part, _pronoun(part))}\n\nI have no further figures on it."


_ABOUT_PART: Final[dict[Intent, Callable[[Part, Question], str]]] = {
    Intent.WHERE: _where,
    Intent.FUNCTION: _function,
    Intent.NEIGHBOURS: _neighbours,
    Intent.NAMES: _names,
    Intent.SYSTEM: _system,
    Intent.MEASURE: _measure,
    Intent.LOOK: _look,
}


def _what(part: Part) -> str:
    """The names and what it is."""
    everyday = next(iter(part.everyday_names), "")
    # "Red blood cell" leads to the blood, but is only some of it.
    is_more = part.name.lower() in everyday.lower()
    also = f"also called {everyday}, " if everyday and not is_more else ""
    return f"{part.name} ({also}Latin: {part.latin_name}). {_is(part)}"


def _is(part: Part) -> str:
    verb = "are" if _pronoun(part) == "They" else "is"
    description = part.description
    return f"{_upper(the(part))} {verb} {description[0].lower()}{description[1:]}"


def _does(part: Part, who: str) -> str:
    """What it does, as a sentence about `who`; the catalogue says "It", or begins with the verb."""
    said = _PRONOUN.sub(who, part.function)
    return said if said != part.function or not _BARE_VERB.match(said) else f"{who} {lowered(said)}"


def _place(part: Part, side: str | None) -> str:
    if part.region == "whole-body":
        return f"You find {the(part)} all over the body."
    place = f"You find {the(part)} in the region of the {region_name(part.region)}"
    if part.paired:
        mirrored = ", so on either side" if side else ""
        return f"{place}, on the left and on the right{mirrored}."
    return f"{place}. There is only one, not one on each side." if side else f"{place}."


def _belongs(part: Part) -> str:
    verb = "belong" if _pronoun(part) == "They" else "belongs"
    return f"{_upper(the(part))} {verb} to {the(CATALOGUE.systems_by_slug[part.system])}."


def _beside(part: Part) -> str:
    neighbours = _neighbours_of(part)
    return f"Next to {the(part)} you find {_all_of(neighbours)}." if neighbours else ""


def _relation(one: Subject, other: Subject) -> str:
    if isinstance(one, System) and isinstance(other, System):
        return f"{one.name}: {one.summary}\n\n{other.name}: {other.summary}"
    if isinstance(one, System) or isinstance(other, System):
        return _membership(one, other)
    return f"{_touch(one, other)} {_same_system(one, other)}\n\n{_is(one)}\n\n{_is(other)}"


def _membership(one: Subject, other: Subject) -> str:
    part, system = (one, other) if isinstance(one, Part) else (other, one)
    assert isinstance(part, Part)  # noqa: S101 - the caller has told them apart
    yes = "Yes. " if part.system == system.slug else f"Not to {the(system)}. "
    return f"{yes}{_belongs(part)} {_is(part)}"


def _touch(one: Part, other: Part) -> str:
    both = f"{_upper(the(one))} and {the(other)}"
    if other.slug in one.neighbours:
        return f"{both} are neighbours: they touch or lie side by side."
    common = [part for part in _neighbours_of(one) if part.slug in other.neighbours]
    if common:
        return f"{both} are no direct neighbours; both adjoin {_all_of(common)}."
    if one.region == other.region and one.region != "whole-body":
        return f"{both} both lie in the region of the {region_name(one.region)}."
    return f"{both} are no direct neighbours."


def _same_system(one: Part, other: Part) -> str:
    system = CATALOGUE.systems_by_slug[one.system]
    if one.system == other.system:
        return f"Both are counted with {the(system)}."
    return (
        f"The first is counted with {the(system)}, "
        f"the second with {the(CATALOGUE.systems_by_slug[other.system])}."
    )


def _neighbours_of(part: Part) -> list[Part]:
    return [CATALOGUE.parts_by_slug[slug] for slug in part.neighbours]


def _listed(parts: Iterable[Part]) -> str:
    return ", ".join(lowered(part.name) for part in parts)


def _all_of(parts: Sequence[Part]) -> str:
    names = [the(part) for part in parts]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _pronoun(part: Part) -> str:
    return "They" if part.function.startswith("They ") else "It"


def _upper(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
