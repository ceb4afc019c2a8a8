"""Which parts and systems a text names, however they are spelt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import Final

from src.anatomy.catalogue import System
from src.anatomy.search import NAMES, Match, Subject, Words, words
from src.assistant.words import folded
from src.core.word_lists import word_list

MOST_STARTS: Final = 12  # places from which on words are compared with all names
SHORTEST_MISSPELT: Final = 4
LONGEST_MISSPELT: Final = 3
ORDINARY_RANK: Final = 10_000
# Ordinary as well, though lists of names hold them; and Latin kinds, which alone name nothing.
ALSO_ORDINARY: Final = frozenset(
    folded("long young day may grace systema musculus nervus arteria vena glandula ligamentum"),
)
FAINTEST: Final = 55.0  # least score of a name that is only partly said
SURE: Final = 85.0  # least score of ordinary words that resemble a name: "spinal chord"


@dataclass(frozen=True, slots=True)
class Mention:
    """A subject that the words from `start` up to `end` (excluded) name."""

    subject: Subject
    start: int
    end: int
    is_generic: bool  # "muscle" for the muscular system: more a kind of part than the system


def mentions(text: str) -> list[Mention]:
    """What a text names, in its order. Names count before words that only resemble one."""
    spelt = folded(text)
    stems = tuple(map(_stem, spelt))
    found = list(_exactly(stems))
    taken = {place for mention in found for place in range(mention.start, mention.end)}
    found += _misspelt(spelt, stems, taken)
    return sorted(found, key=lambda mention: mention.start)


def _stem(word: str) -> str:
    """The word as names are kept; "irises" as the iris, unless there are names with that plural."""
    stem = "".join(words(word))
    singular = words(word.removesuffix("es"))
    is_plural = word.endswith(("ses", "xes")) and not NAMES.named((stem,))
    return "".join(singular) if is_plural and NAMES.named(singular) else stem


def _exactly(stems: Words) -> Iterator[Mention]:
    """At every place the longest name."""
    start = 0
    while start < len(stems):
        ends = range(min(start + NAMES.longest, len(stems)), start, -1)
        named = ((end, NAMES.named(stems[start:end])) for end in ends)
        end, subject = next(((e, s) for e, s in named if s is not None), (start + 1, None))
        if subject is not None:
            yield _mention(subject, stems, start, end)
        start = end


def _misspelt(spelt: Sequence[str], stems: Words, taken: set[int]) -> Iterator[Mention]:
    """Names that words resemble, the likeliest first."""
    candidates = sorted(
        _candidates(spelt, stems, taken),
        key=lambda candidate: (-candidate[0], candidate[1]),
    )
    for _, start, end, subject in candidates:
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            yield _mention(subject, stems, start, end)


def _candidates(
    spelt: Sequence[str],
    stems: Words,
    taken: set[int],
) -> Iterator[tuple[float, int, int, Subject]]:
    """Score, start, end and subject of what the runs of words that name nothing may mean."""
    compared = [p not in taken and len(w) >= SHORTEST_MISSPELT for p, w in enumerate(spelt)]
    for start in list(compress(range(len(spelt)), compared))[:MOST_STARTS]:
        for end in range(start + 1, min(start + LONGEST_MISSPELT, len(spelt)) + 1):
            if not compared[end - 1]:
                break
            is_ordinary = _ordinary_words().issuperset(spelt[start:end])
            for match in _resembling(stems[start:end], is_ordinary=is_ordinary):
                yield match.score, start, end, match.subject


def _resembling(run: Words, *, is_ordinary: bool) -> Iterator[Match]:
    """What a run of words may mean. Ordinary words mean themselves, unless nearly a name."""
    if is_ordinary and len(run) == 1:
        return
    least = SURE if is_ordinary else FAINTEST
    matches = NAMES.misspelt(run)[:1] if len(run) > 1 else NAMES.find(run[0])[:1]
    yield from (match for match in matches if match.score >= least)


def _mention(subject: Subject, stems: Words, start: int, end: int) -> Mention:
    is_generic = isinstance(subject, System) and not any(
        stem.startswith("system") for stem in stems[start:end]
    )
    return Mention(subject, start, end, is_generic)


@cache
def _ordinary_words() -> frozenset[str]:
    """Common English words, which are not taken for misspelt names."""
    lists = map(word_list, ("english_wikipedia", "us_tv_and_film"))
    return ALSO_ORDINARY.union(*(words_[:ORDINARY_RANK] for words_ in lists))
