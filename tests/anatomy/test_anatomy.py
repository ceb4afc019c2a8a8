"""The overview of the body and the person's own records, through the public routes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from src.anatomy.catalogue import CATALOGUE
from src.anatomy.models import AnatomyRecord
from src.anatomy.records import Records
from src.anatomy.schemas import NewRecord
from src.core.db import SessionMaker, new_id
from src.core.errors import InvalidRequest
from tests.factories import bearer, problem
from tests.features import Somebody, forget, pointers

RECORD = {"part": "femur", "kind": "symptom"}


async def note(anatomy: httpx.AsyncClient, person: Somebody, **members: Any) -> httpx.Response:
    return await anatomy.post(
        "/anatomy/records",
        json=RECORD | members,
        headers=person.authorization,
    )


async def overview(anatomy: httpx.AsyncClient, person: Somebody) -> dict[str, Any]:
    response = await anatomy.get("/anatomy/", headers=person.authorization)
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    return document


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[str]]:
    """The SQL statements that are run meanwhile."""
    seen: list[str] = []

    def remember(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(engine.sync_engine, "before_cursor_execute", remember)
    yield seen
    event.remove(engine.sync_engine, "before_cursor_execute", remember)


async def test_a_new_person_sees_every_system_and_no_records(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    body = await overview(anatomy, ada)
    assert body.keys() == {"systems", "latest_records", "record_count"}
    assert len(body["systems"]) == 11
    for system in body["systems"]:
        assert system.keys() == {"slug", "name", "summary", "part_count", "record_count"}
        assert system["part_count"] >= 1
        assert system["record_count"] == 0
    assert (body["latest_records"], body["record_count"]) == ([], 0)


async def test_a_record_is_answered_as_it_is_stored(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    written = {
        "part": "femur",
        "kind": "symptom",
        "side": "left",
        "severity": 7,
        "started_on": "2026-01-31",
        "ended_on": "2026-01-31",
        "note": " <b>throbs</b>\n👩🏽‍⚕️ ",
    }
    response = await note(anatomy, ada, **written)
    assert response.status_code == 201
    record = response.json()
    assert UUID(record.pop("id")).version == 7
    assert record.pop("created_at").endswith("Z")
    assert record.pop("updated_at").endswith("Z")
    assert record == written


async def test_what_is_left_out_of_a_record_is_empty(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    record = (await note(anatomy, ada)).json()
    assert record["side"] == "none"
    assert record["note"] == ""
    assert record["severity"] is record["started_on"] is record["ended_on"] is None


async def test_the_overview_counts_a_persons_own_records_by_system(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    bob: Somebody,
) -> None:
    for part in ("femur", "femur", "skull", "liver"):
        await note(anatomy, ada, part=part)
    await note(anatomy, bob, part="heart")
    body = await overview(anatomy, ada)
    counted = {s["slug"]: s["record_count"] for s in body["systems"] if s["record_count"]}
    assert counted == {"skeletal": 3, "digestive": 1}
    assert body["record_count"] == 4


async def test_the_overview_shows_the_five_latest_of_a_persons_own_records(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    bob: Somebody,
) -> None:
    written = [(await note(anatomy, ada, note=str(number))).json() for number in range(6)]
    await note(anatomy, bob, note="of bob")
    body = await overview(anatomy, ada)
    assert body["latest_records"] == written[:0:-1]


async def test_the_overview_takes_two_queries_however_many_records_there_are(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    sessionmaker: SessionMaker,
    engine: AsyncEngine,
) -> None:
    with statements(engine) as of_none:
        assert (await overview(anatomy, ada))["record_count"] == 0
    async with sessionmaker() as db:
        db.add_all(
            AnatomyRecord(user_id=ada.id, part=part.slug, kind="note", side="none", note="")
            for part in CATALOGUE.parts * 3
        )
        await db.commit()
    with statements(engine) as of_many:
        assert (await overview(anatomy, ada))["record_count"] == 3 * len(CATALOGUE.parts)
    assert len(of_none) == len(of_many) == 2


@pytest.mark.parametrize(
    ("members", "wrong"),
    [
        ({"part": "tail"}, "/part"),
        ({"part": "Femur"}, "/part"),
        ({"part": ""}, "/part"),
        ({"part": None}, "/part"),
        ({"part": 1}, "/part"),
        ({"part": "fe\x00mur"}, "/part"),
        ({"kind": "illness"}, "/kind"),
        ({"side": "top"}, "/side"),
        ({"part": "heart", "side": "left"}, "/side"),
        ({"part": "heart", "side": "both"}, "/side"),
        ({"severity": -1}, "/severity"),
        ({"severity": 11}, "/severity"),
        ({"severity": 5.0}, "/severity"),
        ({"severity": "5"}, "/severity"),
        ({"severity": True}, "/severity"),
        ({"severity": 10**400}, "/severity"),
        ({"kind": "injury", "severity": 5}, "/severity"),
        ({"kind": "procedure", "severity": 0}, "/severity"),
        ({"kind": "note", "severity": 5}, "/severity"),
        ({"started_on": "9999-12-31"}, "/started_on"),
        ({"ended_on": "9999-12-31"}, "/ended_on"),
        ({"started_on": "2026-02-30"}, "/started_on"),
        ({"started_on": "20260131"}, "/started_on"),
        ({"started_on": "2026-01-31T00:00:00Z"}, "/started_on"),
        ({"started_on": "٢٠٢٦-٠١-٣١"}, "/started_on"),
        ({"started_on": "0000-01-01"}, "/started_on"),
        ({"started_on": ""}, "/started_on"),
        ({"started_on": 0}, "/started_on"),
        ({"started_on": "2026-01-31", "ended_on": "2026-01-30"}, "/ended_on"),
        ({"note": "x" * 8_001}, "/note"),
        ({"note": None}, "/note"),
        ({"user_id": "01890a5d-ac96-774b-bcce-b302099a8057"}, "/user_id"),
        ({"id": "01890a5d-ac96-774b-bcce-b302099a8057"}, "/id"),
        ({"created_at": "2026-01-31T00:00:00Z"}, "/created_at"),
    ],
)
async def test_a_record_that_is_not_as_documented_is_refused(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    members: dict[str, Any],
    wrong: str,
) -> None:
    response = await note(anatomy, ada, **members)
    assert problem(response) == "invalid-request"
    assert pointers(response) == [wrong]
    assert (await overview(anatomy, ada))["record_count"] == 0


async def test_every_mistake_of_a_record_is_named_at_once(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    response = await note(anatomy, ada, part="tail", kind="note", severity=1, ended_on="9999-01-01")
    assert pointers(response) == ["/part", "/severity", "/ended_on"]


@pytest.mark.parametrize("missing", ["part", "kind"])
async def test_a_record_says_what_it_is_about(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    missing: str,
) -> None:
    body = {name: value for name, value in RECORD.items() if name != missing}
    response = await anatomy.post("/anatomy/records", json=body, headers=ada.authorization)
    assert pointers(response) == [f"/{missing}"]


@pytest.mark.parametrize("kind", ["symptom", "condition"])
@pytest.mark.parametrize("severity", [0, 10])
async def test_symptoms_and_conditions_have_a_severity_of_0_to_10(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    kind: str,
    severity: int,
) -> None:
    response = await note(anatomy, ada, kind=kind, severity=severity)
    assert response.json()["severity"] == severity


async def test_a_day_is_in_the_future_only_when_it_has_begun_nowhere_on_earth(
    sessionmaker: SessionMaker,
    ada: Somebody,
) -> None:
    noon = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    tomorrow = (noon + timedelta(days=1)).date()
    new = NewRecord(part="femur", kind="injury", started_on=tomorrow)
    async with sessionmaker() as db:
        record = await Records(db, clock=lambda: noon).add(user_id=ada.id, new=new)
        assert record.started_on == tomorrow
        with pytest.raises(InvalidRequest):
            await Records(db, clock=lambda: noon - timedelta(hours=3)).add(
                user_id=ada.id,
                new=new,
            )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, "authentication-required"), (bearer("nobody"), "invalid-token")],
)
async def test_both_routes_ask_who_is_there(
    anatomy: httpx.AsyncClient,
    headers: dict[str, str],
    expected: str,
) -> None:
    assert problem(await anatomy.get("/anatomy/", headers=headers)) == expected
    written = await anatomy.post("/anatomy/records", json=RECORD, headers=headers)
    assert problem(written) == expected


async def test_somebody_whose_account_is_gone_is_no_longer_signed_in_nor_remembered(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    sessionmaker: SessionMaker,
) -> None:
    await note(anatomy, ada)
    await forget(sessionmaker, ada)
    assert problem(await note(anatomy, ada)) == "invalid-token"
    assert (await overview(anatomy, ada))["record_count"] == 0


async def test_nobody_signs_in_by_an_id_that_never_was(anatomy: httpx.AsyncClient) -> None:
    assert problem(await note(anatomy, Somebody(new_id()))) == "invalid-token"
