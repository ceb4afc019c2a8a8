"""The body picture as its clients take it: a sound SVG that names regions and their parts."""

from collections.abc import AsyncIterator, Iterator
from typing import get_args
from uuid import uuid4
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest

from src.anatomy.body_picture import BODY_PICTURE, mirrored
from src.anatomy.catalogue import CATALOGUE, Region
from src.anatomy.picture_router import router
from tests.factories import bearer, problem
from tests.features import client_of

SVG = "{http://www.w3.org/2000/svg}"
MAX_BYTES = 40 * 1024
DRAWN = set(get_args(Region)) - {"whole-body"}
MIDLINE = {"head", "face", "neck", "chest", "abdomen", "pelvis", "upper-back", "lower-back"}
ONE_VIEW = {
    "face": "front",
    "chest": "front",
    "abdomen": "front",
    "upper-back": "back",
    "lower-back": "back",
    "buttock": "back",
}


@pytest.fixture(scope="module")
def picture() -> Element:
    return fromstring(BODY_PICTURE.svg)  # noqa: S314 - our own document


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(router) as client:
        yield client


def regions(picture: Element) -> Iterator[Element]:
    return (group for group in picture.iter(f"{SVG}g") if group.get("class") == "region")


async def test_whoever_is_signed_in_gets_the_picture_and_no_cache_keeps_it(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/anatomy/body.svg", headers=bearer(str(uuid4())))
    assert response.status_code == 200
    assert response.content == BODY_PICTURE.svg
    assert response.headers["content-type"] == "image/svg+xml"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["etag"] == BODY_PICTURE.etag
    assert response.headers["etag"].startswith('"')


async def test_without_a_token_there_is_no_picture(client: httpx.AsyncClient) -> None:
    response = await client.get("/anatomy/body.svg")
    assert problem(response) == "authentication-required"


def test_every_region_is_drawn_in_its_views_once_for_each_side(picture: Element) -> None:
    expected = {
        "-".join(filter(None, (view, side, region)))
        for region in DRAWN
        for view in ("front", "back")
        if ONE_VIEW.get(region, view) == view
        for side in (("",) if region in MIDLINE else ("left", "right"))
    }
    drawn = [group.get("id") for group in regions(picture)]
    assert set(drawn) == expected
    assert len(drawn) == len(expected)


def test_a_region_says_what_it_is(picture: Element) -> None:
    for group in regions(picture):
        side = group.get("data-side")
        named = (group.get("data-view"), side, group.get("data-region"))
        assert group.get("id") == "-".join(filter(None, named))
        assert (group.get("tabindex"), group.get("role")) == ("0", "button")
        assert group.findtext(f"{SVG}title") == group.get("aria-label")
    labels = {group.get("id"): group.get("aria-label") for group in regions(picture)}
    assert labels["front-left-shoulder"] == "Left shoulder, front"
    assert labels["back-right-lower-leg"] == "Right lower leg, back"
    assert labels["front-chest"] == "Chest, front"


def test_every_part_of_the_catalogue_is_found_in_its_region_and_nowhere_else(
    picture: Element,
) -> None:
    for group in regions(picture):
        expected = [
            part.slug for part in CATALOGUE.parts if part.region == group.get("data-region")
        ]
        assert expected
        assert (group.get("data-parts") or "").split() == expected


def test_left_is_the_persons_left(picture: Element) -> None:
    """Seen from the front it is on the right, where the path starts beyond the midline."""
    for group in regions(picture):
        shape = group.find(f"{SVG}path")
        assert shape is not None
        start = int(shape.attrib["d"].removeprefix("M").replace("-", " -").split()[0])
        expected = {"front": {"left": 1, "right": -1}, "back": {"left": -1, "right": 1}}
        if side := group.get("data-side"):
            view = group.attrib["data-view"]
            assert start * expected[view][side] > 0, group.get("id")


def test_a_path_is_mirrored_by_its_horizontal_numbers_alone() -> None:
    assert mirrored("M10 2c-1 3 0 -4 5 6l7 8z") == "M-10 2c1 3 0 -4 -5 6l-7 8z"


def test_it_may_stand_in_a_page_under_a_strict_policy(picture: Element) -> None:
    """No script, style, event handler or reference; and an id for each element at most once."""
    ids = [element.get("id") for element in picture.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in picture.iter():
        assert element.tag.removeprefix(SVG) in {"svg", "title", "desc", "g", "path"}
        for name, value in element.attrib.items():
            assert name != "style"
            assert not name.startswith("on")
            assert "href" not in name
            assert "url(" not in value


def test_it_scales_and_is_small(picture: Element) -> None:
    assert picture.get("viewBox")
    assert picture.get("width") is picture.get("height") is None
    assert len(BODY_PICTURE.svg) <= MAX_BYTES
