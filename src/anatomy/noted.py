"""What a person noted, for other parts of the service, such as a responder of the chat."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from src.anatomy import store
from src.core.db import SessionMaker

LATEST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A record of a person. `part` is a slug of the catalogue, `severity` 0 to 10 (the worst).

    `kind`: symptom, condition, injury, procedure or note. `side`: left, right, both or none.
    """

    part: str
    kind: str
    side: str
    severity: int | None
    started_on: date | None
    ended_on: date | None
    note: str
    created_at: datetime


class NotedRecords:
    """A person's latest records: `await NotedRecords(sessionmaker)(user_id, parts=["femur"])`.

    Every call opens a database session of its own and has closed it when it returns, so that a
    stream of any length can ask without holding a connection.
    """

    def __init__(self, sessions: SessionMaker) -> None:
        self._sessions = sessions

    async def __call__(
        self,
        user_id: UUID,
        *,
        parts: Collection[str] | None = None,
        limit: int = LATEST,
    ) -> Sequence[Noted]:
        """At most `limit` records, newest first, on the parts with these slugs; None: on any.

        Raises: what SQLAlchemy raises while the database is away.
        """
        async with self._sessions() as db:
            found = await store.latest_records(
                db,
                user_id=user_id,
                chosen=store.Chosen(parts=parts),
                limit=limit,
            )
        return [
            Noted(**record.model_dump(exclude={"id", "user_id", "updated_at"})) for record in found
        ]
