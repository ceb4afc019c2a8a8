"""Anatomy: the catalogue of the body, and what a person noted about their own."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.anatomy import store
from src.anatomy.catalogue import CATALOGUE, Part, Region, SystemSlug
from src.anatomy.errors import PartNotFound, SystemNotFound
from src.anatomy.schemas import (
    Overview,
    PartFacts,
    PartFound,
    PartList,
    PartView,
    Record,
    SystemOverview,
    SystemView,
)
from src.core.errors import FieldError, InvalidRequest

LATEST: Final = 5
MOST_RECORDS_OF_A_PART: Final = 100


class Anatomy:
    """The body as one person sees it."""

    def __init__(self, db: AsyncSession) -> None:
        self._db = db

    async def overview(self, *, user_id: UUID) -> Overview:
        """Every system with its counts, and the person's latest records. Two queries."""
        by_part = await store.record_counts(self._db, user_id=user_id)
        latest = await store.latest_records(self._db, user_id=user_id, limit=LATEST)
        return Overview(
            systems=_systems(by_part),
            latest_records=[Record.model_validate(record) for record in latest],
            record_count=sum(by_part.values()),
        )

    async def part(self, slug: str, *, user_id: UUID) -> PartView:
        """A part with the person's latest records on it. Raises: `PartNotFound`."""
        part = CATALOGUE.parts_by_slug.get(slug)
        if part is None:
            raise PartNotFound
        records = await store.latest_records(
            self._db,
            user_id=user_id,
            chosen=store.Chosen(parts=[slug]),
            limit=MOST_RECORDS_OF_A_PART,
        )
        return PartView(
            **PartFacts.model_validate(part).model_dump(),
            records=[Record.model_validate(record) for record in records],
        )


def system_view(slug: str) -> SystemView:
    """Raises: `SystemNotFound`."""
    system = CATALOGUE.systems_by_slug.get(slug)
    if system is None:
        raise SystemNotFound
    return SystemView.model_validate(system)


def find_parts(
    name: str,
    *,
    system: SystemSlug | None,
    region: Region | None,
    after: str | None,
    limit: int,
) -> PartList:
    """Up to `limit` parts of that name, system and region that follow the one with slug `after`.

    A blank name is that of every part. Raises: `InvalidRequest` when `after` is none of them.
    """
    found = [
        part
        for part in _parts_named(name)
        if system in (None, part.system) and region in (None, part.region)
    ]
    start = _place_after(after, found)
    page = found[start : start + limit]
    return PartList(
        parts=[PartFound.model_validate(part) for part in page],
        next_cursor=page[-1].slug if len(found) > start + limit else None,
    )


def _parts_named(name: str) -> Sequence[Part]:
    if not name.strip():
        return CATALOGUE.parts
    # A worker that nobody ever asks does without; `run` has it before it forks its workers.
    from src.anatomy.search import NAMES  # noqa: PLC0415

    return [match.subject for match in NAMES.find(name) if isinstance(match.subject, Part)]


def _place_after(slug: str | None, parts: Sequence[Part]) -> int:
    if slug is None:
        return 0
    places = {part.slug: place for place, part in enumerate(parts)}
    if slug not in places:
        error = FieldError("/query/cursor", "Use the next_cursor of an earlier answer.")
        raise InvalidRequest(error)
    return places[slug] + 1


def _systems(records_by_part: Mapping[str, int]) -> list[SystemOverview]:
    records: Counter[str] = Counter()
    for part in CATALOGUE.parts:
        records[part.system] += records_by_part.get(part.slug, 0)
    return [
        SystemOverview(
            slug=system.slug,
            name=system.name,
            summary=system.summary,
            part_count=len(system.parts),
            record_count=records[system.slug],
        )
        for system in CATALOGUE.systems
    ]
