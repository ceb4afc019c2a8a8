"""The catalogue of the human body: its systems and their parts, the same for everybody.

One file in `data/` for each system. Source: docs/anatomy-sources.md; the texts are our own.
"""

from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

SystemSlug = Literal[
    "skeletal",
    "muscular",
    "nervous",
    "cardiovascular",
    "respiratory",
    "digestive",
    "urinary",
    "reproductive",
    "endocrine",
    "lymphatic",
    "integumentary",
]
Region = Literal[
    "head",
    "face",
    "neck",
    "shoulder",
    "upper-arm",
    "elbow",
    "forearm",
    "hand",
    "chest",
    "abdomen",
    "pelvis",
    "upper-back",
    "lower-back",
    "buttock",
    "thigh",
    "knee",
    "lower-leg",
    "foot",
    "whole-body",
]
PartSlug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
UberonId = Annotated[str, Field(pattern=r"^UBERON:[0-9]{7}$")]
Text = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]


class Part(BaseModel):
    """A part of the body. `paired`: there is a left and a right; `neighbours` are slugs of parts.

    `uberon_id` is its class in the ontology UBERON, None where that has no fitting one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: PartSlug
    name: Text
    latin_name: Text
    everyday_names: tuple[Text, ...]
    system: SystemSlug
    region: Region
    paired: StrictBool
    description: Text
    function: Text
    neighbours: tuple[PartSlug, ...]
    uberon_id: UberonId | None


class System(BaseModel):
    """One of the body's organ systems."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: SystemSlug
    name: Text
    everyday_names: tuple[Text, ...]
    summary: Text
    parts: tuple[Part, ...]

    @model_validator(mode="before")
    @classmethod
    def _tell_parts_their_system(cls, system: dict[str, Any]) -> dict[str, Any]:
        parts = [{**part, "system": system["slug"]} for part in system["parts"]]
        return {**system, "parts": parts}


class Catalogue(BaseModel):
    """All systems, in the order in which people see them."""

    model_config = ConfigDict(frozen=True)

    systems: tuple[System, ...]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return tuple(part for system in self.systems for part in system.parts)

    @cached_property
    def systems_by_slug(self) -> Mapping[str, System]:
        return {system.slug: system for system in self.systems}

    @cached_property
    def parts_by_slug(self) -> Mapping[str, Part]:
        return {part.slug: part for part in self.parts}


def _read(slug: str) -> System:
    source = files(__package__).joinpath("data", f"{slug}.json")
    return System.model_validate_json(source.read_bytes())


CATALOGUE: Final = Catalogue(systems=tuple(map(_read, get_args(SystemSlug))))
