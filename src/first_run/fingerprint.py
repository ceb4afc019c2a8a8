"""What may be shown of a secret, so that people can compare two without seeing one."""

import hashlib
from typing import Final

from src.core.secret_strength import weakness_of

PURPOSE: Final = b"latchkey-secret-fingerprint-v1:"
HEX_DIGITS: Final = 8


def fingerprint_of(secret: str) -> str | None:
    """The first 8 hex digits of SHA-256 over our prefix and the secret; None for a weak one.

    Of a secret with 256 random bits it gives away nothing that helps: whoever would find the secret
    from it has 2²⁵⁶ guesses to make, and every HS256 token lets guesses be tried just as well. The
    prefix keeps the digits unlike any hash of the secret that stands elsewhere. A weak secret could
    be guessed and the guess confirmed by these digits, so nothing of it is shown. Two different
    secrets have equal fingerprints once in 2³² times: programs compare the secrets themselves.
    """
    if weakness_of(secret):
        return None
    return hashlib.sha256(PURPOSE + secret.encode()).hexdigest()[:HEX_DIGITS]
