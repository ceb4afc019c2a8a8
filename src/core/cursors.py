"""Cursors: where a page of a list ended, as text that clients hand back unread."""

import base64
import binascii
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema


def encode_cursor(last_id: UUID) -> str:
    """The 16 bytes of an id in base64url without padding: 22 characters."""
    return base64.urlsafe_b64encode(last_id.bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> UUID:
    """The id of the last item that the client has seen. Raises: ValueError."""
    try:
        last_id = UUID(bytes=base64.urlsafe_b64decode(f"{cursor}=="))
    except (ValueError, binascii.Error) as error:
        raise ValueError("Use the next_cursor of an earlier answer.") from error
    if encode_cursor(last_id) != cursor:
        raise ValueError("Use the next_cursor of an earlier answer.")
    return last_id


def _decoded(value: object) -> object:
    return decode_cursor(value) if isinstance(value, str) else value


Cursor = Annotated[
    UUID,
    BeforeValidator(_decoded),
    PlainSerializer(encode_cursor, return_type=str),
    # 128 bits in 22 characters of 6 bits each: the last one holds 2.
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{21}[AQgw]$"}),
]
