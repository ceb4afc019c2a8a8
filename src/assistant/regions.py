"""The regions of the body by the words that people use for them."""

from collections.abc import Sequence
from typing import Final

from src.anatomy.search import Words, words

_NAMES: Final = {
    "head": "head",
    "face": "face",
    "neck": "neck, nape",
    "shoulder": "shoulder",
    "upper-arm": "upper arm, arm",
    "elbow": "elbow",
    "forearm": "forearm, lower arm",
    "hand": "hand, wrist, palm",
    "chest": "chest, thorax, rib cage",
    "abdomen": "abdomen, belly",
    "pelvis": "pelvis, hip, groin",
    "upper-back": "upper back, back",
    "lower-back": "lower back, small of the back, loin",
    "buttock": "buttock, bottom, backside",
    "thigh": "thigh, upper leg",
    "knee": "knee",
    "lower-leg": "lower leg, leg, calf, shin",
    "foot": "foot, feet, ankle, heel, sole",
}
_REGIONS: Final[dict[Words, str]] = {
    words(name): region for region, names in _NAMES.items() for name in names.split(", ")
}
_LONGEST: Final = max(map(len, _REGIONS))


def region_in(stems: Sequence[str]) -> str | None:
    """The region that words (folded as `words` does) name first, the longest name winning."""
    for start in range(len(stems)):
        for end in range(min(len(stems), start + _LONGEST), start, -1):
            region = _REGIONS.get(tuple(stems[start:end]))
            if region:
                return region
    return None


def is_region(stems: Sequence[str]) -> bool:
    """Whether the words are just the name of a region."""
    return tuple(stems) in _REGIONS


def region_name(region: str) -> str:
    """How a region is called in a sentence: "the lower leg"."""
    return "whole body" if region == "whole-body" else region.replace("-", " ")
