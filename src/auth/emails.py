"""E-mail addresses: what is accepted, and the normal form that decides who is who."""

import unicodedata
from dataclasses import dataclass
from typing import Final

from email_validator import EmailNotValidError, validate_email

MAX_EMAIL_CHARACTERS: Final = 254  # RFC 5321 §4.5.3.1.3

# Control, format (bidi, zero width), surrogate, private use, unassigned, line and paragraph breaks.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Email:
    """An address as its owner writes it, and its normal form, which is unique among accounts."""

    display: str
    key: str


def parse_email(text: str) -> Email:
    """Normal form: NFKC, case folded, domain in IDNA's Unicode form; nothing is looked up.

    Compatibility forms (full-width letters) are folded as well, so that no second account can
    look like the first. Raises: ValueError for what is no address, with what to do about it.
    """
    display = text.strip(" \t")
    folded = fold_email(display)
    try:
        checked = validate_email(folded, check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError("This is not an e-mail address such as ada@example.com.") from error
    return Email(display=display, key=checked.normalized)


def fold_email(text: str) -> str:
    """An address, or the beginning of one, in the letters of the normal form.

    Raises: ValueError for what no address begins with.
    """
    if len(text) > MAX_EMAIL_CHARACTERS:
        raise ValueError(f"An e-mail address has at most {MAX_EMAIL_CHARACTERS} characters.")
    if any(unicodedata.category(character) in _INVISIBLE for character in text):
        raise ValueError("The e-mail address contains invisible or control characters.")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
