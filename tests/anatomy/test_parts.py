"""Systems and parts, read and searched through the public routes."""

from typing import Any

import httpx
import pytest

from src.anatomy.catalogue import CATALOGUE
from src.anatomy.models import AnatomyRecord
from src.core.db import SessionMaker
from tests.factories import problem
from tests.features import Somebody, pointers


async def find(client: httpx.AsyncClient, **parameters: Any) -> dict[str, Any]:
    response = await client.get("/anatomy/parts", params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    assert document.keys() == {"parts", "next_cursor"}
    return document


def slugs(found: dict[str, Any]) -> list[str]:
    return [part["slug"] for part in found["parts"]]


async def test_a_system_is_answered_with_its_parts_in_the_order_of_the_catalogue(
    catalogue_client: httpx.AsyncClient,
) -> None:
    system = CATALOGUE.systems_by_slug["urinary"]
    response = await catalogue_client.get("/anatomy/systems/urinary")
    assert response.status_code == 200
    assert response.json() == {
        "slug": "urinary",
        "name": system.name,
        "summary": system.summary,
        "parts": [{"slug": part.slug, "name": part.name} for part in system.parts],
    }


@pytest.mark.parametrize("slug", ["Urinary", "tail", "%00", "x" * 5_000])
async def test_there_is_no_system_of_another_name(
    catalogue_client: httpx.AsyncClient,
    slug: str,
) -> None:
    response = await catalogue_client.get(f"/anatomy/systems/{slug}")
    assert problem(response) == "system-not-found"


async def test_a_part_is_answered_with_its_facts(anatomy: httpx.AsyncClient, ada: Somebody) -> None:
    part = CATALOGUE.parts_by_slug["femur"]
    response = await anatomy.get("/anatomy/parts/femur", headers=ada.authorization)
    assert response.status_code == 200
    assert response.json() == part.model_dump(mode="json") | {"records": []}
    assert response.json().keys() == {
        "slug", "name", "latin_name", "everyday_names", "system", "region", "paired",
        "description", "function", "neighbours", "uberon_id", "records",
    }  # fmt: skip


async def test_a_part_comes_with_the_hundred_latest_of_a_persons_own_records_on_it(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    bob: Somebody,
    sessionmaker: SessionMaker,
) -> None:
    notes = [(ada, "femur", str(number)) for number in range(102)]
    notes += [(bob, "femur", "of bob"), (ada, "skull", "of another part")]
    async with sessionmaker() as db:
        for person, part, note in notes:
            db.add(AnatomyRecord(user_id=person.id, part=part, kind="note", side="none", note=note))
        await db.commit()
    response = await anatomy.get("/anatomy/parts/femur", headers=ada.authorization)
    noted = [record["note"] for record in response.json()["records"]]
    assert noted == [str(number) for number in range(101, 1, -1)]


@pytest.mark.parametrize("slug", ["Femur", "%00"])
async def test_there_is_no_part_of_another_name(
    anatomy: httpx.AsyncClient,
    ada: Somebody,
    slug: str,
) -> None:
    response = await anatomy.get(f"/anatomy/parts/{slug}", headers=ada.authorization)
    assert problem(response) == "part-not-found"


async def test_parts_are_listed_page_by_page_in_the_order_of_the_catalogue(
    catalogue_client: httpx.AsyncClient,
) -> None:
    listed: list[str] = []
    found = await find(catalogue_client)
    assert len(found["parts"]) == 20
    while found["next_cursor"]:
        listed += slugs(found)
        found = await find(catalogue_client, limit=100, cursor=found["next_cursor"])
    assert listed + slugs(found) == [part.slug for part in CATALOGUE.parts]


async def test_a_part_in_a_list_has_what_tells_it_from_others(
    catalogue_client: httpx.AsyncClient,
) -> None:
    (part,) = (await find(catalogue_client, q="femur", limit=1))["parts"]
    assert part == CATALOGUE.parts_by_slug["femur"].model_dump(
        mode="json",
        exclude={"description", "function", "neighbours", "uberon_id"},
    )


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("Femur", "femur"),
        ("pulmo", "lung"),
        ("tummy", "stomach"),
        ("  my LEFT kidneys? ", "kidney"),
        ("stomache", "stomach"),
    ],
)
async def test_the_best_match_comes_first(
    catalogue_client: httpx.AsyncClient,
    name: str,
    best: str,
) -> None:
    assert slugs(await find(catalogue_client, q=name))[0] == best


async def test_a_search_keeps_to_the_system_and_the_region(
    catalogue_client: httpx.AsyncClient,
) -> None:
    found = await find(catalogue_client, q="gland", system="endocrine", region="neck")
    assert "thyroid-gland" in slugs(found)
    for part in found["parts"]:
        assert (part["system"], part["region"]) == ("endocrine", "neck")
    every = await find(catalogue_client, region="neck", limit=100)
    assert slugs(every) == [part.slug for part in CATALOGUE.parts if part.region == "neck"]


async def test_a_search_has_pages_too(catalogue_client: httpx.AsyncClient) -> None:
    whole = slugs(await find(catalogue_client, q="gland", limit=100))
    first = await find(catalogue_client, q="gland", limit=1)
    second = await find(catalogue_client, q="gland", limit=1, cursor=first["next_cursor"])
    assert slugs(first) + slugs(second) == whole[:2]


@pytest.mark.parametrize("name", ["zzzz", "?!", "\x00", "人"])
async def test_what_nothing_is_called_finds_nothing(
    catalogue_client: httpx.AsyncClient,
    name: str,
) -> None:
    assert await find(catalogue_client, q=name) == {"parts": [], "next_cursor": None}


async def test_a_blank_search_finds_everything(catalogue_client: httpx.AsyncClient) -> None:
    assert await find(catalogue_client, q=" ") == await find(catalogue_client)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("q", "x" * 101),
        ("system", "tail"),
        ("system", ""),
        ("region", "Knee"),
        ("limit", "0"),
        ("limit", "101"),
        ("cursor", "tail"),
        ("cursor", ""),
        ("cursor", "\x00"),
        ("cursor", "liver"),  # is there, but of no use in this list
    ],
)
async def test_a_search_that_is_not_as_documented_is_refused(
    catalogue_client: httpx.AsyncClient,
    name: str,
    value: str,
) -> None:
    parameters = {"region": "knee", name: value}
    response = await catalogue_client.get("/anatomy/parts", params=parameters)
    assert problem(response) == "invalid-request"
    assert pointers(response) == [f"/query/{name}"]
