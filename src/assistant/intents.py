"""What a question wants to know, by the words in which it is asked."""

import re
from enum import Enum, auto
from typing import Final


class Intent(Enum):
    """What is wanted. `TELL` when nothing else was recognised."""

    RECORDS = auto()
    RELATION = auto()
    NEIGHBOURS = auto()
    NAMES = auto()
    SYSTEM = auto()
    PARTS = auto()
    MEASURE = auto()
    WHERE = auto()
    LOOK = auto()
    FUNCTION = auto()
    TELL = auto()


# The first that fits wins: "which parts does it touch" asks for neighbours, not for a list.
# They read the words of a question in lower case, without punctuation.
_PATTERNS: Final = {
    Intent.RECORDS: (
        r"my (own )?(records?|notes?|entries|entry)",
        r"(did|have|had) i (note|record|wr[io]t|log)",
    ),
    Intent.RELATION: (
        r"connect|\brelat(e|es|ed|ion)|attached to|linked|in common",
        r"between|differ|compare|versus|\bvs\b|far from",
    ),
    Intent.NEIGHBOURS: (
        r"next to|beside|neighbo|adjacent|adjoin|border|touch|surround|around|nearby",
        r"near (it|the)|close to|in front of",
        r"(behind|above|below|under|underneath|beneath|over) (it|them|the)",
    ),
    Intent.NAMES: (
        r"\blatin\b|synonym|name (of|for)|is called|(is|are) (it|they|that|this|the [\w ]+) called",
        r"(another|other|medical|scientific|technical|everyday|proper) (name|word|term)",
    ),
    Intent.SYSTEM: (
        r"(which|what) (body |organ )?system|same system",
        r"belongs to|part of|member of",
    ),
    Intent.PARTS: (
        r"^list|\blist (of|all|the|me)|members|what belongs|belong to|consists? of|parts (of|in)",
        r"(which|what) (\w+ )?(parts|organs|bones|muscles|nerves|glands|vessels|joints)\b",
        r"(is|are) (there )?in the",
    ),
    Intent.MEASURE: (
        r"how (big|small|long|short|heavy|large|wide|thick|thin|deep|tall|strong)",
        r"how (fast|quick|much|many|often|far|old)",
        r"(number|size|weight|length|diameter) of|weigh",
    ),
    Intent.WHERE: (
        r"where|locat|position|\bfind\b|\bsits?\b|\blies?\b|show me",
        r"which (side|region)|inside or|outside or",
    ),
    Intent.LOOK: (r"made of|made up|look|shape|colou?r|describe|structure",),
    Intent.FUNCTION: (
        r"what (do|does|did|can|would)\b|(what|which) .*\bfor$|\bdo$|doing",
        r"function|purpose|\bjobs?\b|\brole\b|\btasks?\b|responsible|good for",
        r"why (do|does|are|is|have|has|we)|how (do|does|can)|\bneed|without|happens",
        r"\buse(ful|less|d)?\b|\bworks?\b|helps?|controls?|produces?",
    ),
}
_COMPILED: Final = {intent: re.compile("|".join(texts)) for intent, texts in _PATTERNS.items()}
_COMPLAINT: Final = re.compile(
    r"\b(pain\w*|hurt\w*|ach(e|es|ed|ing|y)|\w+ache|sore\w*|swollen|swelling|lumps?|bleed\w*|broke\w*|"
    r"torn|tore|sprain\w*|strain\w*|pulled|injur\w*|cramp\w*|itch\w*|rash|burn(s|ing)|stiff\w*|tight|"
    r"numb\w*|tingl\w*|dizzy|sick|ill|fever|infect\w*|inflam\w*|cancer\w*|tumou?r\w*|symptoms?|"
    r"diagnos\w*|disease\w*|treat\w*|cure\w*|medicines?|medication|pills?|surgery|removed|"
    r"wrong with|^do i have|killing me|bothers?|clicks?|ringing|blocked|slipped|leaks?|fell on|"
    r"banged|bruis\w*|is gone|racing)\b",
)


def intent_of(said: str) -> Intent:
    """What a question wants to know, from its folded words with single gaps between them."""
    found = (intent for intent, pattern in _COMPILED.items() if pattern.search(said))
    return next(found, Intent.TELL)


def is_complaint(said: str) -> bool:
    """Whether somebody speaks of a trouble, which is a doctor's to explain."""
    return _COMPLAINT.search(said) is not None
