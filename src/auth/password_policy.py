"""Which passwords are accepted (NIST SP 800-63B-4 §3.1.1.2): length, not common, not guessable."""

import re
from typing import Final

from src.auth.errors import WeakPassword
from src.auth.passwords import MAX_PASSWORD_CHARACTERS, normalised
from src.core.errors import FieldError
from src.core.word_lists import word_list

SERVICE_NAME = "latchkey"
SHORTEST_CONTEXT_WORD = 3

# One text, a word a line: a set of them would take 4 MiB where this takes 0.2, and is searched in
# 60 µs, beside a quarter of a second for the hash.
_COMMON_PASSWORDS: Final = "\n".join(["", *word_list("passwords"), ""])


def require_strong(
    password: str,
    *,
    minimum: int,
    email: str,
    username: str | None,
    pointer: str,
) -> None:
    """Raises: `WeakPassword`, whose `errors` say what is wrong with the member at `pointer`."""
    weakness = weakness_of(password, minimum=minimum, email=email, username=username)
    if weakness:
        raise WeakPassword(FieldError(pointer, weakness))


def weakness_of(password: str, *, minimum: int, email: str, username: str | None) -> str | None:
    """What is wrong with a password, or None. Lengths are in code points."""
    if "\x00" in password:
        return "A password cannot contain NUL."
    if len(password) < minimum:
        return f"Use at least {minimum} characters."
    if len(password) > MAX_PASSWORD_CHARACTERS:
        return f"Use at most {MAX_PASSWORD_CHARACTERS} characters."
    folded = normalised(password).casefold()
    if _is_common(folded):
        return "This is one of the most common passwords. Choose another."
    remaining = _length_without_context(folded, email=email, username=username)
    if remaining < min(minimum, len(folded)):
        return "Do not build the password on your e-mail, your username or the service's name."
    return None


def _is_common(password: str) -> bool:
    return "\n" not in password and f"\n{password}\n" in _COMMON_PASSWORDS


def _length_without_context(password: str, *, email: str, username: str | None) -> int:
    """How many characters remain when the words that an attacker tries first are taken out."""
    local, _, domain = email.partition("@")
    words = {SERVICE_NAME, email, local, *domain.split("."), *re.split(r"[._+-]", local)}
    if username:
        words.add(username)
    rest = password
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= SHORTEST_CONTEXT_WORD:
            rest = rest.replace(normalised(word).casefold(), "")
    return len(rest)
