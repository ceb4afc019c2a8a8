"""The body as a picture: a front and a back figure in SVG, each region an element of its own.

The drawing is our own and lies in `body_paths.json`; which parts a region has, the catalogue says.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final, Literal

# It only writes: bandit warns of parsing what others wrote.
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405

from pydantic import BaseModel, ConfigDict

from src.anatomy.catalogue import CATALOGUE, Region

Side = Literal["left", "right"]
Path = str  # SVG path data of the commands M, c, l and z, all numbers with a space between them

TITLE: Final = "The human body"
DESCRIPTION: Final = (
    "A figure seen from the front, palms forward, beside the same figure seen from the back. "
    "Left and right are the person's own."
)
# Presentation attributes and no style: they need no leave of a Content-Security-Policy, and any
# rule of the page that embeds the picture has precedence (SVG 2 §6.6).
_REGION_LOOK: Final = {
    "fill": "var(--body-fill,currentColor)",
    "fill-opacity": "var(--body-fill-opacity,.1)",
    "pointer-events": "all",
}
_LINE_LOOK: Final = {
    "fill": "none",
    "stroke": "var(--body-stroke,currentColor)",
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
}
_DECORATIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "shades": {"fill": "var(--body-shade,currentColor)", "fill-opacity": ".05"},
    "seams": {**_LINE_LOOK, "stroke-width": "1.5", "stroke-opacity": ".4"},
    "details": {**_LINE_LOOK, "stroke-width": "1.5", "stroke-opacity": ".26"},
    "outline": {**_LINE_LOOK, "stroke-width": "2.4", "stroke-opacity": ".78"},
}
_POINT: Final = re.compile(r"(-?\d+) (-?\d+)")


class Figure(BaseModel):
    """One view of the body, in units of the picture; x counts from the midline, y from the crown.

    Sided regions and decorations are drawn for x > 0, which is the person's `side`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: Literal["front", "back"]
    side: Side
    midline_x: int
    crown_y: int
    midline: Mapping[Region, Path]
    sided: Mapping[Region, Path]
    decorations: Mapping[str, Path]


class Drawing(BaseModel):
    """All figures, on a canvas of `width` by `height` units."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int
    height: int
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG document and its strong entity tag, which changes when the document does."""

    svg: bytes
    etag: str


def mirrored(path: Path) -> Path:
    """The path on the other side of the midline."""
    return _POINT.sub(lambda point: f"{-int(point[1])} {point[2]}", path)


def _compact(path: Path) -> Path:
    """The path without the spaces that a minus sign makes needless: a tenth of the picture."""
    return path.replace(" -", "-")


def render(drawing: Drawing, parts: Mapping[Region, list[str]]) -> Picture:
    """The picture; `parts` has the slugs of each region's parts."""
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {drawing.width} {drawing.height}",
            "class": "body-picture",
            "role": "group",  # not img: that would hide the regions from assistive technology
            "aria-labelledby": "body-picture-title",
            "aria-describedby": "body-picture-description",
        },
    )
    SubElement(root, "title", id="body-picture-title").text = TITLE
    SubElement(root, "desc", id="body-picture-description").text = DESCRIPTION
    for figure in drawing.figures:
        _add_figure(root, figure, parts)
    svg = tostring(root)
    return Picture(svg=svg, etag=f'"{sha256(svg).hexdigest()[:32]}"')


def _add_figure(root: Element, figure: Figure, parts: Mapping[Region, list[str]]) -> None:
    group = SubElement(
        root,
        "g",
        {
            "id": f"body-{figure.view}",
            "role": "group",
            "aria-label": figure.view.capitalize(),
            "transform": f"translate({figure.midline_x} {figure.crown_y})",
        },
    )
    regions = SubElement(group, "g", _REGION_LOOK)
    for region, side, path in _areas(figure):
        _add_region(regions, figure.view, region, side, path, parts.get(region, []))
    decorations = SubElement(group, "g", {"aria-hidden": "true", "pointer-events": "none"})
    for name, look in _DECORATIONS.items():
        half = figure.decorations[name]
        path = _compact(half + mirrored(half))
        SubElement(decorations, "path", {"class": f"body-{name}", **look, "d": path})


def _areas(figure: Figure) -> Iterator[tuple[Region, Side | None, Path]]:
    """The regions of a figure in the order of reading, midline ones without a side."""
    for region, path in figure.midline.items():
        yield region, None, path
    other: Side = "right" if figure.side == "left" else "left"
    for region, path in figure.sided.items():
        yield region, figure.side, path
        yield region, other, mirrored(path)


def _add_region(
    group: Element,
    view: str,
    region: Region,
    side: Side | None,
    path: Path,
    parts: list[str],
) -> None:
    words = f"{side or ''} {region.replace('-', ' ')}".strip().capitalize()
    label = f"{words}, {view}"
    element = SubElement(
        group,
        "g",
        {
            "id": "-".join(filter(None, (view, side, region))),
            "class": "region",
            "data-view": view,
            "data-region": region,
            **({"data-side": side} if side else {}),
            "data-parts": " ".join(parts),
            "tabindex": "0",
            "role": "button",
            "aria-label": label,
        },
    )
    SubElement(element, "title").text = label
    SubElement(element, "path", d=_compact(path))


def _read() -> Drawing:
    source = files(__package__).joinpath("body_paths.json")
    return Drawing.model_validate_json(source.read_bytes())


def _parts_by_region() -> Mapping[Region, list[str]]:
    found: defaultdict[Region, list[str]] = defaultdict(list)
    for part in CATALOGUE.parts:
        found[part.region].append(part.slug)
    return found


BODY_PICTURE: Final = render(_read(), _parts_by_region())
