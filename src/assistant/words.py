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


def folded(text: str) -> list[str]:
    """The words of a text without upper case, accents and apostrophes: "Can’t" is `cant`."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return _WORD.findall(plain.translate(_APOSTROPHES))


def respelt(word: str, vocabulary: Collection[str]) -> str:
    """The word of the vocabulary that is one letter, or two swapped ones, off; else `word`."""
    if len(word) < SHORTEST_CORRECTED or word in vocabulary:
        return word
    nearest = process.extractOne(word, vocabulary, scorer=OSA.distance, score_cutoff=1)
    return nearest[0] if nearest else word


def lowered(name: str) -> str:
    """A name as it is written inside of a sentence."""
    return name if name.startswith(_PROPER) else f"{name[0].lower()}{name[1:]}"
