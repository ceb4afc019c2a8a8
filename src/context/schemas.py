"""Bodies of requests and responses of the context routes."""

import json
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from src.context.models import USER_ID_LENGTH

MAX_METADATA_BYTES: Final = 4_096
MAX_METADATA_DEPTH: Final = 4

CustomersUser = Annotated[
    str,
    Field(
        min_length=1,
        max_length=USER_ID_LENGTH,
        description="the customer's own name for somebody, such as a phone number",
        examples=["+34600123456"],
    ),
]


def _small(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Raises: ValueError for more than 4 KiB of JSON, or more than four levels of it."""
    if _depth(metadata) > MAX_METADATA_DEPTH:
        raise ValueError(f"Nest at most {MAX_METADATA_DEPTH} levels.")
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > MAX_METADATA_BYTES:
        raise ValueError(f"Use at most {MAX_METADATA_BYTES} bytes.")
    return metadata


def _depth(value: object) -> int:
    """0 for what is neither object nor array. Bodies nested over 32 levels never get here."""
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


Metadata = Annotated[
    dict[str, Any] | None,
    AfterValidator(_small),
    Field(description="anything, up to 4 KiB of JSON in four levels"),
]


class _RequestBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class EnrichedRequest(_RequestBody):
    """About whom a service asks. The customer is that of its token."""

    user_id: CustomersUser


class NewMemory(_RequestBody):
    """What a service notes about one of its customer's users."""

    user_id: CustomersUser
    text: Annotated[str, Field(min_length=1, max_length=8_000)]
    metadata: Metadata = None


class MemoryView(BaseModel):
    """A stored memory. Times are RFC 3339, in UTC."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    user_id: str
    text: str
    metadata: Annotated[dict[str, Any] | None, Field(validation_alias="details")]
    created_at: datetime


class EnrichedContext(BaseModel):
    """The newest memories about somebody, newest first, at most 100."""

    memories: list[MemoryView]
