"""A person's own records: noted, read, changed and deleted by nobody else."""

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from src.anatomy import store
from src.anatomy.catalogue import CATALOGUE
from src.anatomy.errors import RecordNotFound
from src.anatomy.models import AnatomyRecord
from src.anatomy.schemas import NewRecord, Record, RecordChange, RecordList
from src.core.clock import Clock, utc_now
from src.core.errors import FieldError, InvalidRequest, InvalidToken
from src.core.usage import Limit

RECORDS: Final = Limit("record", 120, timedelta(minutes=5))  # noted by one person
SEVERE_KINDS: Final = ("symptom", "condition")
EASTERNMOST: Final = timedelta(hours=14)  # no zone's calendar is further ahead of UTC


class Records:
    """The records of a person. Methods raise `RecordNotFound` for any that is not theirs."""

    def __init__(self, db: AsyncSession, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock

    async def page(self, *, user_id: UUID, chosen: store.Chosen, limit: int) -> RecordList:
        """Up to `limit` of the records chosen, newest first."""
        found = await store.latest_records(
            self._db,
            user_id=user_id,
            chosen=chosen,
            limit=limit + 1,  # one more tells whether there is a next page
        )
        page = found[:limit]
        return RecordList(
            records=[Record.model_validate(record) for record in page],
            next_cursor=page[-1].id if len(found) > limit else None,
        )

    async def add(self, *, user_id: UUID, new: NewRecord) -> Record:
        """Raises: `InvalidRequest` naming every member that is wrong, `InvalidToken`."""
        self._check(new)
        record = AnatomyRecord(user_id=user_id, **new.model_dump())
        try:
            await store.add_record(self._db, record)
        except IntegrityError as error:
            raise InvalidToken(cause="user is unknown") from error
        return Record.model_validate(record)

    async def one(self, record_id: UUID, *, user_id: UUID) -> Record:
        record = await store.record(self._db, record_id, user_id=user_id)
        if record is None:
            raise RecordNotFound
        return Record.model_validate(record)

    async def change(self, record_id: UUID, *, user_id: UUID, change: RecordChange) -> Record:
        """Change the members that are given. The whole has to be right afterwards.

        Raises: `InvalidRequest` naming every member that is wrong then.
        """
        now = self._clock()
        record = await store.touch_record(self._db, record_id, user_id=user_id, at=now)
        if record is None:
            raise RecordNotFound
        record.sqlmodel_update({**change})
        self._check(record)
        await self._db.flush()
        return Record.model_validate(record)

    async def delete(self, record_id: UUID, *, user_id: UUID) -> None:
        if not await store.delete_record(self._db, record_id, user_id=user_id):
            raise RecordNotFound

    def _check(self, record: NewRecord | AnatomyRecord) -> None:
        # Where the person is, it may be tomorrow already.
        errors = _mistakes(record, latest_day=(self._clock() + EASTERNMOST).date())
        if errors:
            raise InvalidRequest(*errors)


def _mistakes(record: NewRecord | AnatomyRecord, *, latest_day: date) -> list[FieldError]:
    """What is wrong with a record whose shape is right."""
    errors = []
    part = CATALOGUE.parts_by_slug.get(record.part)
    if part is None:
        errors.append(FieldError("/part", "Use the slug of a part of the catalogue."))
    elif record.side != "none" and not part.paired:
        errors.append(FieldError("/side", "There is only one of this part: use none."))
    if record.severity is not None and record.kind not in SEVERE_KINDS:
        errors.append(FieldError("/severity", "Only a symptom or a condition has a severity."))
    if record.started_on and record.started_on > latest_day:
        errors.append(FieldError("/started_on", "This day is in the future."))
    if record.ended_on and record.ended_on > latest_day:
        errors.append(FieldError("/ended_on", "This day is in the future."))
    if record.started_on and record.ended_on and record.ended_on < record.started_on:
        errors.append(FieldError("/ended_on", "This day is before started_on."))
    return errors
