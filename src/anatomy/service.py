"""Anatomy: the catalogue of the body, and what a person noted about their own."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from src.anatomy import store
from src.anatomy.catalogue import CATALOGUE
from src.anatomy.models import AnatomyRecord
from src.anatomy.schemas import NewRecord, Overview, Record, SystemOverview
from src.core.clock import Clock, utc_now
from src.core.errors import FieldError, InvalidRequest, InvalidToken

LATEST: Final = 5
SEVERE_KINDS: Final = ("symptom", "condition")
EASTERNMOST: Final = timedelta(hours=14)  # no zone's calendar is further ahead of UTC


class Anatomy:
    """The body as one person sees it."""

    def __init__(self, db: AsyncSession, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock

    async def overview(self, *, user_id: UUID) -> Overview:
        """Every system with its counts, and the person's latest records. Two queries."""
        by_part = await store.record_counts(self._db, user_id=user_id)
        latest = await store.latest_records(self._db, user_id=user_id, limit=LATEST)
        return Overview(
            systems=_systems(by_part),
            latest_records=[Record.model_validate(record) for record in latest],
            record_count=sum(by_part.values()),
        )

    async def add_record(self, *, user_id: UUID, new: NewRecord) -> Record:
        """Raises: `InvalidRequest` naming every member that is wrong, `InvalidToken`."""
        # Where the person is, it may be tomorrow already.
        errors = _mistakes(new, latest_day=(self._clock() + EASTERNMOST).date())
        if errors:
            raise InvalidRequest(*errors)
        record = AnatomyRecord(user_id=user_id, **new.model_dump())
        try:
            await store.add_record(self._db, record)
        except IntegrityError as error:
            raise InvalidToken(cause="user is unknown") from error
        return Record.model_validate(record)


def _systems(records_by_part: Mapping[str, int]) -> list[SystemOverview]:
    parts: Counter[str] = Counter()
    records: Counter[str] = Counter()
    for part in CATALOGUE.parts:
        parts[part.system] += 1
        records[part.system] += records_by_part.get(part.slug, 0)
    return [
        SystemOverview(
            slug=system.slug,
            name=system.name,
            summary=system.summary,
            part_count=parts[system.slug],
            record_count=records[system.slug],
        )
        for system in CATALOGUE.systems
    ]


def _mistakes(new: NewRecord, *, latest_day: date) -> list[FieldError]:
    """What is wrong with a record whose shape is right."""
    errors = []
    part = CATALOGUE.parts_by_slug.get(new.part)
    if part is None:
        errors.append(FieldError("/part", "Use the slug of a part of the catalogue."))
    elif new.side != "none" and not part.paired:
        errors.append(FieldError("/side", "There is only one of this part: use none."))
    if new.severity is not None and new.kind not in SEVERE_KINDS:
        errors.append(FieldError("/severity", "Only a symptom or a condition has a severity."))
    if new.started_on and new.started_on > latest_day:
        errors.append(FieldError("/started_on", "This day is in the future."))
    if new.ended_on and new.ended_on > latest_day:
        errors.append(FieldError("/ended_on", "This day is in the future."))
    if new.started_on and new.ended_on and new.ended_on < new.started_on:
        errors.append(FieldError("/ended_on", "This day is before started_on."))
    return errors
