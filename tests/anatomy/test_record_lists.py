"""Lists of a person's own records."""

from uuid import UUID

import httpx
import pytest

from src.core.cursors import encode_cursor
from tests.anatomy.noting import listed, note
from tests.factories import problem
from tests.features import Somebody, pointers


async def test_records_are_listed_newest_first_page_by_page_while_more_are_noted(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    bob: Somebody,
) -> None:
    written = [await note(anatomy, ada, note=str(number)) for number in range(5)]
    await note(anatomy, bob)
    pages = [await listed(anatomy, ada, limit=2)]
    await note(anatomy, ada, note="meanwhile")
    while cursor := pages[-1]["next_cursor"]:
        pages.append(await listed(anatomy, ada, limit=2, cursor=cursor))
    assert [len(page["records"]) for page in pages] == [2, 2, 1]
    assert [record for page in pages for record in page["records"]] == written[::-1]


async def test_a_full_last_page_is_the_last(anatomy: httpx.AsyncClient, ada: Somebody) -> None:
    assert await listed(anatomy, ada) == {"records": [], "next_cursor": None}
    written = await note(anatomy, ada)
    assert await listed(anatomy, ada, limit=1) == {"records": [written], "next_cursor": None}


async def test_another_persons_record_as_the_cursor_shows_only_ones_own(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    bob: Somebody,
) -> None:
    await note(anatomy, bob)
    own = await note(anatomy, ada)
    of_bob = await note(anatomy, bob)
    found = await listed(anatomy, ada, cursor=encode_cursor(UUID(of_bob["id"])))
    assert found["records"] == [own]


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        ({"part": "femur"}, 2),
        ({"kind": "injury"}, 1),
        ({"side": "none"}, 1),
        ({"part": "femur", "kind": "symptom", "side": "left"}, 1),
        ({"part": "tail"}, 0),
    ],
)
async def test_records_are_chosen_by_part_kind_and_side(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    chosen: dict[str, str],
    count: int,
) -> None:
    written = [
        await note(anatomy, ada),
        await note(anatomy, ada, kind="injury", severity=None),
        await note(anatomy, ada, part="skull", side="none"),
    ]
    expected = [record for record in written[::-1] if chosen.items() <= record.items()]
    assert len(expected) == count
    assert (await listed(anatomy, ada, **chosen))["records"] == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("part", "Tail\x00"),
        ("kind", "illness"),
        ("side", "top"),
        ("limit", "0"),
        ("limit", "101"),
        ("cursor", "x"),
        ("cursor", ""),
    ],
)
async def test_a_list_that_is_not_as_documented_is_refused(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    name: str,
    value: str,
) -> None:
    response = await anatomy.get(
        "/anatomy/records",
        params={name: value},
        headers=ada.authorization,
    )
    assert problem(response) == "invalid-request"
    assert pointers(response) == [f"/query/{name}"]
