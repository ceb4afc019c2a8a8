"""Bodies of requests and responses of the anatomy routes."""

import re
from datetime import date, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from src.anatomy.catalogue import PartSlug, Region, SystemSlug, UberonId
from src.core.cursors import Cursor

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
NamedPart = Annotated[str, Field(description="slug of a part", examples=["femur"])]
Severity = Annotated[
    int,
    Field(ge=0, le=10, description="of a symptom or condition, 10 is the worst"),
]
Note = Annotated[str, Field(max_length=8_000)]


class NewRecord(BaseModel):
    """What a person notes about a part of their body."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    part: NamedPart
    kind: Kind
    side: Side = "none"
    severity: Severity | None = None
    started_on: Day | None = None
    ended_on: Day | None = None
    note: Note = ""


class RecordChange(TypedDict, total=False):
    """The members of a record that change; those left out stay. null empties what may be empty."""

    # A dictionary, and no model, because a member left out differs from one that is null.
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)  # type: ignore[misc]

    part: NamedPart
    kind: Kind
    side: Side
    severity: Severity | None
    started_on: Day | None
    ended_on: Day | None
    note: Note


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

    slug: SystemSlug
    name: str
    summary: str
    part_count: int
    record_count: int


class Overview(BaseModel):
    """All body systems, with the person's latest records, newest first."""

    systems: list[SystemOverview]
    latest_records: list[Record]
    record_count: int


class RecordList(BaseModel):
    """A page of a person's own records, newest first."""

    records: list[Record]
    next_cursor: Cursor | None


class PartName(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    slug: PartSlug
    name: str


class PartFound(PartName):
    """A part as a list shows it. `system` is a system's slug."""

    latin_name: str
    everyday_names: tuple[str, ...]
    system: SystemSlug
    region: Region
    paired: bool


class PartList(BaseModel):
    """A page of parts: best match first, without a search in the order of the catalogue."""

    parts: list[PartFound]
    next_cursor: PartSlug | None


class PartFacts(PartFound):
    """What is known of a part: `description` says what and where it is, `function` what it does."""

    description: str
    function: str
    neighbours: tuple[PartSlug, ...]
    uberon_id: UberonId | None


class PartView(PartFacts):
    """A part, with the person's own latest records on it, newest first, at most 100."""

    records: list[Record]


class SystemView(BaseModel):
    """A body system with its parts."""

    model_config = ConfigDict(from_attributes=True)

    slug: SystemSlug
    name: str
    summary: str
    parts: list[PartName]
