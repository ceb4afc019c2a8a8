"""Words of an emergency, and what has to be said before anything else.

Better one warning too many: a question that only sounds like an emergency gets one as well.
"""

import re
from typing import Final

from src.assistant.words import beginning, folded, respelt

EMERGENCY: Final = (
    "If this is happening now, call your local emergency number first "
    "(112 in Europe, 911 in North America, 999 in the United Kingdom). "
    "I only explain anatomy: I cannot help in an emergency."
)
CRISIS: Final = (
    "If you might harm yourself, or somebody else might, please call your local emergency "
    "number or a crisis line now, and stay with somebody whom you trust. You do not have to get "
    "through this alone. I only explain anatomy, and people can help you better than I can."
)

MOST_CHARACTERS: Final = 8_000
LONGEST_CLAUSE: Final = 40  # words

# Misspelt words are read as these where only one of them is close.
_VOCABULARY: Final = folded(
    "attack breath breathe breathing breathless chest heart pain hurts pressure tight crushing "
    "stroke droop drooping slurred numb seizure overdose overdosed poisoned poison choking "
    "unconscious collapsed unresponsive bleeding severe suicide suicidal myself allergic "
    "anaphylaxis swelling swollen throat tongue paralysed paralyzed",
)

_CRISES: Final = (
    r"suicid",
    r"\b(kill|hurt|harm|cut|end|hang|shoot)(ing)? (myself|my ?self|himself|herself|themsel)",
    r"\bend(ing)? (my|it|his|her) (life|all)\b",
    r"\bself ?harm",
    r"\bwant(s|ed)? to (die|be dead)\b|\bdont want to (live|be alive)\b|\bwish i (was|were) dead\b",
    r"\bdont want to be (here|alive)\b|\bcant go on\b",
    r"\bbetter off dead\b|\bno reason to live\b",
)
_UNABLE: Final = (
    r"(cant|cannot|can not|couldnt|not|isnt|unable to|trouble|difficulty|struggling|struggles|"
    r"hard|stopped|barely|hardly|short(ness)? of|out of|gasping for)"
)
_EMERGENCIES: Final = (
    r"\bemergency\b|\bheart attack|\bcardiac arrest|\banaphyla|\bseizure|\bconvuls",
    r"\b(chest|breastbone|sternum)\b.*\b(pain|hurt|ach|tight|press|crush|squeez|stab)",
    r"\b(pain|hurt|ach|tight|press|crush|squeez|stab)\w*\b.*\b(chest|breastbone|sternum)\b",
    rf"\b{_UNABLE} (\w+ ){{0,2}}breath|\bbreathless|\bsuffocat",
    r"\bchok(e|es|ed|ing)\b|\bdrown(ed|ing)\b",
    r"\bunconscious|\bunresponsive|\bcollapsed\b|\bpass(ed|ing|es) out\b|\bfainted\b",
    r"\b(isnt|not|wont|doesnt) (respond|wak|react)|\bhaving a fit\b|\bdrowsy\b.*\bhead\b",
    r"\bno pulse\b|\bheart( has|s)? stopped\b|\bturn(s|ed|ing) blue\b|\bblue lips\b",
    r"\bstroke\b(?! volume)|\bslur(s|red|ring)\b|\bface\b.*\bdroop|\bdroop\w*\b.*\bface\b",
    r"\b(numb|weak|paraly)\w*\b.*\bone side\b|\bone side\b.*\b(numb|weak|paraly)",
    r"\b(suddenly|cant|cannot) (\w+ )?(speak|see|move)\b|\bworst headache\b|\bthunderclap\b",
    r"\bbleed\w*\b.*\b(wont|will not|doesnt|not|cant|cannot)\b.*\bstop|\bcoughing up blood\b",
    r"\b(severe|heavy|heavily|badly|profuse|uncontroll)\w*\b.*\bbleed|\bvomit\w* blood\b",
    r"\bbleed\w*\b.*\b(severe|heavy|heavily|badly|profuse|lots?\b)|\bblood (is )?(spurt|gush)",
    r"\boverdos|\bpoison(ed|ing)?\b|\btook (\d\d+|too many|a lot of|all)\b",
    r"\b(drank|drunk|swallow(s|ed)|ate)\b.*\b(bleach|battery|cleaner|detergent|antifreeze|magnet)",
    r"\b(throat|tongue|lips|face)\b.*\b(swell|swollen|clos)|\bsevere allergic\b|\bcant swallow\b",
    r"\belectrocut|\belectric shock\b|\bsnake\b.*\bbit|\bsevere(ly)? burn",
    r"\bsudden(ly)?\b.*\b(blind|vision|sight|numb|weak|headache)|\bhead\b.*\bvomit",
)
_CRISIS: Final = re.compile("|".join(_CRISES))
_EMERGENCY: Final = re.compile("|".join(_EMERGENCIES))
# Not a single line break: long lines are broken anywhere.
_SENTENCE_END: Final = re.compile(r"[.!?;]+|\n\s*\n")


def warning_for(question: str) -> str | None:
    """What to say first when a question sounds like an emergency, else None."""
    sentences = _SENTENCE_END.split(beginning(question, MOST_CHARACTERS))
    clauses = [clause for sentence in sentences for clause in _clauses(sentence)]
    if any(map(_CRISIS.search, clauses)):
        return CRISIS
    return EMERGENCY if any(map(_EMERGENCY.search, clauses)) else None


def _clauses(sentence: str) -> list[str]:
    """The sentence in readable spelling; an endless one in pieces, to be searched in no time."""
    spelt = [respelt(word, _VOCABULARY) for word in folded(sentence)]
    return [
        " ".join(spelt[at : at + LONGEST_CLAUSE]) for at in range(0, len(spelt), LONGEST_CLAUSE)
    ]
