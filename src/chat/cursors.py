"""Where a page of sessions ended: by the time of their latest activity, then by their id."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, WithJsonSchema

Place = tuple[datetime, UUID]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
TIME_BYTES: Final = 8


def encode_place(place: Place) -> str:
    """8 bytes of microseconds since 1970 and the 16 of the id, in base64url: 32 characters."""
    at, session_id = place
    microseconds = (at - EPOCH) // MICROSECOND
    raw = microseconds.to_bytes(TIME_BYTES, "big") + session_id.bytes
    return base64.urlsafe_b64encode(raw).decode()


def decode_place(cursor: str) -> Place:
    """Raises: ValueError."""
    try:
        raw = base64.urlsafe_b64decode(cursor)
        at = EPOCH + int.from_bytes(raw[:TIME_BYTES], "big") * MICROSECOND
        place = at, UUID(bytes=raw[TIME_BYTES:])
    except (ValueError, OverflowError) as error:
        raise ValueError("Use the next_cursor of an earlier answer.") from error
    if encode_place(place) != cursor:
        raise ValueError("Use the next_cursor of an earlier answer.")
    return place


def _checked(cursor: str) -> str:
    decode_place(cursor)
    return cursor


SessionCursor = Annotated[
    str,
    AfterValidator(_checked),
    # Its first two characters hold the years up to 9750.
    WithJsonSchema({"type": "string", "pattern": "^A[A-Za-z0-3][A-Za-z0-9_-]{30}$"}),
]
