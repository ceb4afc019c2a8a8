"""Ids as ChatKit sees them: `thr_` or `msg_` and the 32 hexadecimal digits of a UUID."""

import re
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from pydantic import BeforeValidator, PlainSerializer

THREAD_PREFIX: Final = "thr"
ITEM_PREFIX: Final = "msg"

_DIGITS: Final = re.compile("[0-9a-f]{32}")


def spelled(prefix: str, value: UUID) -> str:
    return f"{prefix}_{value.hex}"


def _read(prefix: str, value: object) -> object:
    if isinstance(value, UUID):
        return value
    given, _, digits = value.partition("_") if isinstance(value, str) else ("", "", "")
    if given != prefix or not _DIGITS.fullmatch(digits):
        raise ValueError(f"Use an id that begins with {prefix}_.")
    return UUID(hex=digits)


ThreadId = Annotated[
    UUID,
    BeforeValidator(partial(_read, THREAD_PREFIX)),
    PlainSerializer(partial(spelled, THREAD_PREFIX), return_type=str),
]
ItemId = Annotated[
    UUID,
    BeforeValidator(partial(_read, ITEM_PREFIX)),
    PlainSerializer(partial(spelled, ITEM_PREFIX), return_type=str),
]
