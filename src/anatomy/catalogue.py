"""The catalogue of the human body: its systems and their parts, the same for everybody.

Source: Latin names by Terminologia Anatomica; summaries and descriptions are our own.
"""

from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from typing import Final

from pydantic import BaseModel, ConfigDict


class System(BaseModel):
    """One of the body's organ systems."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str
    name: str
    everyday_names: tuple[str, ...]
    summary: str


class Part(BaseModel):
    """A part of the body. `system` is a system's slug; `paired`: there is a left and a right."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str
    name: str
    latin_name: str
    everyday_names: tuple[str, ...]
    system: str
    paired: bool
    description: str


class Catalogue(BaseModel):
    """Systems and parts, in the order in which people see them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    systems: tuple[System, ...]
    parts: tuple[Part, ...]

    @cached_property
    def parts_by_slug(self) -> Mapping[str, Part]:
        return {part.slug: part for part in self.parts}


def _read() -> Catalogue:
    source = files(__package__).joinpath("catalogue.json")
    return Catalogue.model_validate_json(source.read_bytes())


CATALOGUE: Final = _read()
