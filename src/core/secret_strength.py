"""How strong a signing secret is: what a process refuses to start with."""

import math
from collections import Counter
from typing import Final

MIN_SECRET_BYTES: Final = 32
MIN_SECRET_ENTROPY_BITS: Final = 80.0

_PUBLISHED = (
    "changethis",
    "change-me",
    "changeme",
    "your-secret",
    "your_secret",
    "example",
    "secret-key",
    "secretkey",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "better-auth-secret",
    "placeholder",
    "insecure",
    "password",
)


def weakness_of(secret: str) -> str | None:
    """What is wrong with a signing secret, or None when nothing is."""
    if len(secret.encode()) < MIN_SECRET_BYTES:
        return f"is shorter than {MIN_SECRET_BYTES} bytes"
    if any(published in secret.lower() for published in _PUBLISHED):
        return "contains a published example"
    if _entropy_bits(secret) < MIN_SECRET_ENTROPY_BITS:
        return "is too regular to be random"
    return None


def _entropy_bits(text: str) -> float:
    counts = Counter(text).values()
    per_character = -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
    return per_character * len(text)
