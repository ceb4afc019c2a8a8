"""One index of all names in the catalogue: English, Latin and everyday, of parts and systems.

For a phrase that is meant as a name, as in a search box: `NAMES.find("stomache")`, best first.
For sentences: cut them with `words`, look up runs of at most `NAMES.longest` words, the longest
first, with `NAMES.named` (a dictionary access), then what is left with `NAMES.misspelt`.
All is ready once imported. `find` and `misspelt` take well below a millisecond.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import OSA, Prefix

from src.anatomy.catalogue import CATALOGUE, Part, System

Subject = Part | System
Words = tuple[str, ...]

MOST_WORDS: Final = 8  # of a phrase that count: no name is longer
MOST_LETTERS: Final = 64  # of a word, or of a name without its gaps
SHORTEST_PLURAL: Final = 4  # toes
EXACT: Final = 100.0
PARTLY: Final = 90.0  # at most, for a name of which words, or only their beginnings, are said

_WORD: Final = re.compile(r"[^\W_]+")
_APOSTROPHES: Final = str.maketrans("", "", "'’ʼ")
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_IRREGULAR: Final = {"calves": "calf", "feet": "foot", "teeth": "tooth"}
_DIGRAPH: Final = re.compile(r"[ao]e(?=\w)")  # British and Latin: oesophagus, caecum


def words(text: str) -> Words:
    """Words in one spelling: without upper case, accents, apostrophes, plurals, ae and oe.

    For comparing, not for showing: "Oesophagus" is `("esophagu",)`.
    """
    folded = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).casefold()
    return tuple(map(_stem, _WORD.findall(folded.translate(_APOSTROPHES))))


def _stem(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif word.endswith("ae") or (word.endswith("s") and len(word) >= SHORTEST_PLURAL):
        word = word[:-1]
    return _DIGRAPH.sub("e", word)[:MOST_LETTERS]


# They may belong to a name ("left ventricle") but need not: "my left kidney" is the kidney.
_FILLERS: Final = frozenset(words("a an and both her his in left my of on right the your"))


@dataclass(frozen=True, slots=True)
class Match:
    """A subject that a phrase may mean. `score`: 100 for its very name, towards 0 the fainter.

    `name` is the one of its names that fits, as the catalogue spells it.
    """

    subject: Subject
    name: str
    score: float


def names_of(subject: Subject) -> Iterator[str]:
    """Every name of a subject, the English one first."""
    yield subject.name
    yield subject.latin_name if isinstance(subject, Part) else subject.slug
    yield from subject.everyday_names


def typos_allowed(length: int) -> int:
    """In how many letters (wrong, missing, added or swapped) a word of this length may differ."""
    return sum(length >= enough for enough in (4, 6, 12))


def _likeness(said: str, known: str, typos: int) -> float:
    """From 0 to 1, which is the very word. A mistake counts less the later it comes."""
    begun = Prefix.normalized_similarity(said, known) / 2
    return 1 - (typos - begun) / len(said) if typos else 1.0


class Names:
    """The names of subjects, to be found by their words. In doubt the subject named first wins."""

    def __init__(self, subjects: Iterable[Subject]) -> None:
        self._names: list[tuple[int, Match]] = []  # with the number of words
        self._by_letters: dict[str, Match] = {}
        self._by_word: dict[str, set[int]] = {}
        self._order: dict[str, int] = {}
        for subject in subjects:
            self._order[subject.slug] = len(self._order)
            for name in names_of(subject):
                self._add(words(name), Match(subject, name, EXACT))
        self._vocabulary = sorted(self._by_word)
        self.longest = max(count for count, _ in self._names)

    def _add(self, name: Words, match: Match) -> None:
        self._by_letters.setdefault("".join(name), match)
        for word in name:
            self._by_word.setdefault(word, set()).add(len(self._names))
        self._names.append((len(name), match))

    def named(self, name: Words) -> Subject | None:
        """The subject of exactly this name, however it was inflected or cut into words."""
        match = self._by_letters.get("".join(name))
        return match.subject if match else None

    def misspelt(self, name: Words) -> list[Match]:
        """Subjects with a whole name that differs in few letters or none, best first."""
        letters = "".join(name)
        near = process.extract(
            letters,
            self._by_letters.keys(),
            scorer=OSA.distance,
            score_cutoff=typos_allowed(len(letters)),
            limit=None,
        )
        return self._best(
            _scored(self._by_letters[found], EXACT * _likeness(letters, found, typos))
            for found, typos, _ in near
        )

    def find(self, phrase: str) -> list[Match]:
        """Subjects that a phrase may name, best first, equally good ones as in the catalogue."""
        said = words(phrase)[:MOST_WORDS]
        if not said:
            return []
        whole = self.misspelt(said)
        if all(map(self._is_begun, said)):  # then nothing is misspelt
            whole = [match for match in whole if match.score == EXACT]
        return self._best([*whole, *self._partly(said)])

    def _is_begun(self, word: str) -> bool:
        """Whether some known word begins so."""
        return any(self._beginning_with(word))

    def _partly(self, said: Words) -> Iterator[Match]:
        """Names with most of the words that are said, even if these are begun only or misspelt."""
        needed = [word for word in said if word not in _FILLERS] or said
        hits = {word: self._names_with(word) for word in said}
        found: dict[int, int] = {}
        for word in needed:
            for number in hits[word]:
                found[number] = found.get(number, 0) + 1
        most = max(found.values(), default=0)
        for number in (number for number, count in found.items() if count == most):
            length, match = self._names[number]
            likeness = sum(hits[word].get(number, 0.0) for word in needed) / len(needed)
            covered = min(sum(number in hits[word] for word in hits) / length, 1.0)
            yield _scored(match, PARTLY * likeness**2 * (1 + covered) / 2)

    def _names_with(self, word: str) -> Mapping[int, float]:
        """The names (by number) that have a word like this one, and how like it is, up to 1."""
        found: dict[int, float] = {}
        for known, likeness in self._words_like(word):
            for number in self._by_word[known]:
                found[number] = max(found.get(number, 0.0), likeness)
        return found

    def _words_like(self, word: str) -> Iterator[tuple[str, float]]:
        """Known words that begin with it and, when it is unknown, those a few letters off."""
        for known in self._beginning_with(word):
            yield known, (1 + len(word) / len(known)) / 2
        if word not in self._by_word:
            near = process.extract(
                word,
                self._vocabulary,
                scorer=OSA.distance,
                score_cutoff=typos_allowed(len(word)),
                limit=None,
            )
            for known, typos, _ in near:
                yield known, _likeness(word, known, typos)

    def _beginning_with(self, word: str) -> Iterator[str]:
        first = bisect_left(self._vocabulary, word)
        return takewhile(lambda known: known.startswith(word), self._vocabulary[first:])

    def _best(self, matches: Iterable[Match]) -> list[Match]:
        """One match, the best, of each subject."""
        best: dict[str, Match] = {}
        for match in matches:
            if match.score > best.get(match.subject.slug, _scored(match, 0)).score:
                best[match.subject.slug] = match
        return sorted(best.values(), key=lambda m: (-m.score, self._order[m.subject.slug]))


def _scored(match: Match, score: float) -> Match:
    return Match(match.subject, match.name, score)


NAMES: Final = Names((*CATALOGUE.systems, *CATALOGUE.parts))
