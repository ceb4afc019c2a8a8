"""What other parts of the service are told of a person's records."""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncEngine

from src.anatomy.noted import Noted, NotedRecords
from src.anatomy.records import Records
from src.anatomy.schemas import NewRecord
from src.core.db import SessionMaker
from tests.features import Somebody


async def test_a_persons_latest_records_on_some_parts_or_on_any(
    sessionmaker: SessionMaker,
    engine: AsyncEngine,
    ada: Somebody,
    bob: Somebody,
) -> None:
    async with sessionmaker.begin() as db:
        for person, part in ((ada, "femur"), (ada, "skull"), (bob, "femur"), (ada, "liver")):
            new = NewRecord(part=part, kind="symptom", severity=3, started_on=date(2026, 1, 31))
            last = await Records(db).add(user_id=person.id, new=new)
    noted = NotedRecords(sessionmaker)
    assert (await noted(ada.id, limit=1)) == [
        Noted(
            part="liver",
            kind="symptom",
            side="none",
            severity=3,
            started_on=date(2026, 1, 31),
            ended_on=None,
            note="",
            created_at=last.created_at,
        ),
    ]
    assert [record.part for record in await noted(ada.id)] == ["liver", "skull", "femur"]
    chosen = await noted(ada.id, parts={"femur", "skull", "tail"})
    assert [record.part for record in chosen] == ["skull", "femur"]
    assert await noted(ada.id, parts=()) == []
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
