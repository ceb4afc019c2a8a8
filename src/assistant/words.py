"""Words as people type them, made comparable."""

import re
import unicodedata
from collections.abc import Collection
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

SHORTEST_CORRECTED: Final = 4

# The first words of names that keep their capital inside of a sentence.
_PROPER: Final = ("Achilles", "Fallopian", "Peyer")
_WORD: Final = re.compile(r"[^\W_]+")
_APOSTROPHES: Final = str.maketrans("", "", "'’ʼ`´")
_ACCENTS: Final = re.compile("[\u0300-\u036f]")


def beginning(text: str, most: int) -> str:
    """At most so many characters of a text, with ligatures written out: one may hide 18 letters.

    Without apostrophes, as in `folded`.
    """
    return unicodedata.normalize("NFKC", text[:most].translate(_APOSTROPHES))[:most]


def folded(text: str) -> list[str]:
    """The words of a text without upper case, accents and apostrophes: "Can’t" is `cant`."""
    # Apostrophes first: an acute accent that is typed for one would become a gap.
    plain = text.translate(_APOSTROPHES).casefold()
    return _WORD.findall(_ACCENTS.sub("", unicodedata.normalize("NFKD", plain)))


def respelt(word: str, vocabulary: Collection[str]) -> str:
    """The word of the vocabulary that is one letter, or two swapped ones, off; else `word`."""
    if len(word) < SHORTEST_CORRECTED or word in vocabulary:
        return word
    nearest = process.extractOne(word, vocabulary, scorer=OSA.distance, score_cutoff=1)
    return nearest[0] if nearest else word


def lowered(name: str) -> str:
    """A name as it is written inside of a sentence."""
    return name if name.startswith(_PROPER) else f"{name[0].lower()}{name[1:]}"
