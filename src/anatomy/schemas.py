"""Bodies of requests and responses of the anatomy routes."""

import re
from datetime import date, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Kind = Literal["symptom", "condition", "injury", "procedure", "note"]
Side = Literal["left", "right", "both", "none"]

_FULL_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _parsed_date(value: object) -> object:
    """Raises: ValueError for what is no RFC 3339 full-date, or no day of the calendar."""
    if not isinstance(value, str):
        return value
    if not _FULL_DATE.fullmatch(value):
        raise ValueError("Write the date as YYYY-MM-DD.")
    return date.fromisoformat(value)


Day = Annotated[date, BeforeValidator(_parsed_date), Field(examples=["2026-01-31"])]


class NewRecord(BaseModel):
    """What a person notes about a part of their body."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    part: Annotated[str, Field(description="slug of a part", examples=["femur"])]
    kind: Kind
    side: Side = "none"
    severity: Annotated[
        int | None,
        Field(ge=0, le=10, description="of a symptom or condition, 10 is the worst"),
    ] = None
    started_on: Day | None = None
    ended_on: Day | None = None
    note: Annotated[str, Field(max_length=8_000)] = ""


class Record(BaseModel):
    """A stored record. Times are RFC 3339, in UTC."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    part: str
    kind: Kind
    side: Side
    severity: int | None
    started_on: date | None
    ended_on: date | None
    note: str
    created_at: datetime
    updated_at: datetime


class SystemOverview(BaseModel):
    """A body system; `record_count` counts the person's own records on its parts."""

    slug: str
    name: str
    summary: str
    part_count: int
    record_count: int


class Overview(BaseModel):
    """All body systems, with the person's latest records, newest first."""

    systems: list[SystemOverview]
    latest_records: list[Record]
    record_count: int
