"""A person's own records, read, changed and deleted through the public routes."""

import asyncio
from uuid import UUID

import httpx
import pytest

from src.anatomy.records import Records
from src.core.db import SessionMaker, new_id
from src.core.errors import InvalidRequest
from tests.anatomy.noting import Record, ask, listed, note
from tests.factories import bearer, problem
from tests.features import Somebody, pointers, without_request_id


async def test_a_record_is_read_as_it_was_answered(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    written = await note(anatomy, ada)
    response = await ask(anatomy, ada, "GET", written["id"])
    assert (response.status_code, response.json()) == (200, written)


@pytest.mark.parametrize(
    "change",
    [
        {"note": "better"},
        {"severity": None},
        {"started_on": None, "ended_on": None},
        {"started_on": "2026-01-31"},
        {"part": "skull", "side": "none"},
        {"kind": "injury", "severity": None},
        {
            "part": "heart",
            "kind": "note",
            "side": "none",
            "severity": None,
            "started_on": "2025-12-31",
            "ended_on": "2025-12-31",
            "note": "",
        },
        {},
    ],
)
async def test_a_change_is_of_the_members_given_and_of_nothing_else(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    change: Record,
) -> None:
    written, other = await note(anatomy, ada), await note(anatomy, ada)
    response = await ask(anatomy, ada, "PATCH", written["id"], change)
    assert response.status_code == 200, response.text
    changed = response.json()
    assert changed["updated_at"] > written["updated_at"]
    assert changed == written | change | {"updated_at": changed["updated_at"]}
    assert (await listed(anatomy, ada))["records"] == [other, changed]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"part": "tail"}, "/part"),
        ({"part": "heart"}, "/side"),  # as it is on the left
        ({"kind": "injury"}, "/severity"),  # as it has one
        ({"started_on": "2026-02-01"}, "/ended_on"),  # as it ended before
        ({"ended_on": "2026-01-29"}, "/ended_on"),
        ({"ended_on": "9999-12-31"}, "/ended_on"),
        ({"severity": 11}, "/severity"),
        ({"part": None}, "/part"),
        ({"kind": None}, "/kind"),
        ({"side": None}, "/side"),
        ({"note": None}, "/note"),
        ({"note": "x" * 8_001}, "/note"),
        ({"id": str(new_id())}, "/id"),
        ({"user_id": str(new_id())}, "/user_id"),
        ({"created_at": "2026-01-31T00:00:00Z"}, "/created_at"),
    ],
)
async def test_a_change_that_leaves_a_record_wrong_is_refused_whole(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    change: Record,
    wrong: str,
) -> None:
    written = await note(anatomy, ada)
    response = await ask(anatomy, ada, "PATCH", written["id"], {"note": "other"} | change)
    assert problem(response) == "invalid-request"
    assert pointers(response) == [wrong]
    assert (await listed(anatomy, ada))["records"] == [written]


async def test_a_deleted_record_is_gone_and_no_other(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    kept, deleted = await note(anatomy, ada), await note(anatomy, ada)
    response = await ask(anatomy, ada, "DELETE", deleted["id"])
    assert (response.status_code, response.content) == (204, b"")
    assert (await listed(anatomy, ada))["records"] == [kept]
    assert problem(await ask(anatomy, ada, "DELETE", deleted["id"])) == "record-not-found"


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {}), ("DELETE", None)])
async def test_another_persons_record_answers_as_one_that_does_not_exist(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    bob: Somebody,
    method: str,
    body: Record | None,
) -> None:
    written = await note(anatomy, ada)
    foreign = await ask(anatomy, bob, method, written["id"], body)
    missing = await ask(anatomy, bob, method, str(new_id()), body)
    assert problem(foreign) == "record-not-found"
    assert without_request_id(foreign) == without_request_id(missing)
    assert (await listed(anatomy, ada))["records"] == [written]
    assert problem(await ask(anatomy, ada, method, "x", body)) == "invalid-request"


async def test_a_user_id_in_the_query_or_a_header_changes_nothing(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    bob: Somebody,
) -> None:
    written = await note(anatomy, ada)
    for path in ("", f"/{written['id']}"):
        pretended = await anatomy.get(
            f"/anatomy/records{path}",
            params={"user_id": str(ada.id)},
            headers=bob.authorization | {"X-User-Id": str(ada.id)},
        )
        own = await anatomy.get(f"/anatomy/records{path}", headers=bob.authorization)
        assert without_request_id(pretended) == without_request_id(own)


async def test_two_changes_at_once_both_last_unless_the_whole_would_be_wrong(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    sessionmaker: SessionMaker,
) -> None:
    record_id = UUID((await note(anatomy, ada))["id"])

    async def rate() -> None:
        async with sessionmaker.begin() as db:
            await Records(db).change(record_id, user_id=ada.id, change={"severity": 9})

    async with sessionmaker() as db:
        await Records(db).change(record_id, user_id=ada.id, change={"note": "worse"})
        meanwhile = asyncio.create_task(rate())
        assert (await asyncio.wait({meanwhile}, timeout=0.1))[1], "it waits for the first change"
        await db.commit()
    await meanwhile
    record = (await ask(anatomy, ada, "GET", str(record_id))).json()
    assert (record["note"], record["severity"]) == ("worse", 9)
    async with sessionmaker() as db:
        changed = await Records(db).change(
            record_id,
            user_id=ada.id,
            change={"kind": "injury", "severity": None},
        )
        meanwhile = asyncio.create_task(rate())
        await asyncio.wait({meanwhile}, timeout=0.1)
        await db.commit()
    with pytest.raises(InvalidRequest):
        await meanwhile
    assert (await listed(anatomy, ada))["records"] == [changed.model_dump(mode="json")]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, "authentication-required"), (bearer("nobody"), "invalid-token")],
)
async def test_every_route_asks_who_is_there(
    anatomy: httpx.AsyncClient,
    headers: dict[str, str],
    expected: str,
) -> None:
    for method, path in (
        ("GET", "systems/skeletal"),
        ("GET", "parts"),
        ("GET", "parts/femur"),
        ("GET", "records"),
        ("GET", f"records/{new_id()}"),
        ("PATCH", f"records/{new_id()}"),
        ("DELETE", f"records/{new_id()}"),
    ):
        response = await anatomy.request(method, f"/anatomy/{path}", headers=headers)
        assert problem(response) == expected, path
