"""The anatomy routes."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from src.anatomy import service
from src.anatomy.catalogue import PartSlug, Region, SystemSlug
from src.anatomy.errors import PartNotFound, RecordNotFound, SystemNotFound
from src.anatomy.records import RECORDS, Records
from src.anatomy.schemas import (
    Kind,
    NewRecord,
    Overview,
    PartList,
    PartView,
    Record,
    RecordChange,
    RecordList,
    Side,
    SystemView,
)
from src.anatomy.service import Anatomy
from src.anatomy.store import Chosen
from src.core.bodies import StrictRoute
from src.core.cursors import Cursor
from src.core.db import DbSession
from src.core.errors import AuthenticationRequired, InvalidToken, LimitReached
from src.core.identity import CurrentUserId, current_user_id
from src.core.problem_json import documents
from src.core.routers import Router
from src.core.usage import limited

router = Router(
    prefix="/anatomy",
    tags=["anatomy"],
    route_class=StrictRoute,
    responses=documents(AuthenticationRequired, InvalidToken),
)


async def get_anatomy(db: DbSession) -> Anatomy:
    return Anatomy(db)


async def get_records(db: DbSession) -> Records:
    return Records(db)


async def get_chosen(
    part: PartSlug | None = None,
    kind: Kind | None = None,
    side: Side | None = None,
    cursor: Annotated[
        Cursor | None,
        Query(description="`next_cursor` of the page before"),
    ] = None,
) -> Chosen:
    return Chosen(parts=part and [part], kind=kind, side=side, before=cursor)


AnatomyService = Annotated[Anatomy, Depends(get_anatomy)]
RecordsService = Annotated[Records, Depends(get_records)]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.get("/")
async def read_overview(user_id: CurrentUserId, anatomy: AnatomyService) -> Overview:
    """The body systems, with what the signed-in person noted about them."""
    return await anatomy.overview(user_id=user_id)


@router.get(
    "/systems/{slug}",
    dependencies=[Depends(current_user_id)],
    responses=documents(SystemNotFound),
)
async def read_system(slug: str) -> SystemView:
    """A body system with its parts."""
    return service.system_view(slug)


@router.get("/parts", dependencies=[Depends(current_user_id)])
async def find_parts(
    q: Annotated[
        str,
        Query(max_length=100, description="English, Latin or everyday name", examples=["tummy"]),
    ] = "",
    system: SystemSlug | None = None,
    region: Region | None = None,
    limit: Limit = 20,
    cursor: Annotated[
        PartSlug | None,
        Query(description="`next_cursor` of the page before"),
    ] = None,
) -> PartList:
    """Parts by name, best match first; misspelt and inflected names are understood."""
    return service.find_parts(q, system=system, region=region, after=cursor, limit=limit)


@router.get("/parts/{slug}", responses=documents(PartNotFound))
async def read_part(slug: str, user_id: CurrentUserId, anatomy: AnatomyService) -> PartView:
    """A part of the body, with what the signed-in person noted about it."""
    return await anatomy.part(slug, user_id=user_id)


@router.get("/records")
async def list_records(
    user_id: CurrentUserId,
    records: RecordsService,
    chosen: Annotated[Chosen, Depends(get_chosen)],
    limit: Limit = 20,
) -> RecordList:
    """The signed-in person's own records, newest first."""
    return await records.page(user_id=user_id, chosen=chosen, limit=limit)


@router.post(
    "/records",
    status_code=201,
    dependencies=[limited(RECORDS)],
    responses=documents(LimitReached),
)
async def add_record(body: NewRecord, user_id: CurrentUserId, records: RecordsService) -> Record:
    """Note something about a part of one's own body."""
    return await records.add(user_id=user_id, new=body)


@router.get("/records/{record_id}", responses=documents(RecordNotFound))
async def read_record(
    record_id: UUID,
    user_id: CurrentUserId,
    records: RecordsService,
) -> Record:
    """One of one's own records."""
    return await records.one(record_id, user_id=user_id)


@router.patch("/records/{record_id}", responses=documents(RecordNotFound))
async def change_record(
    record_id: UUID,
    body: RecordChange,
    user_id: CurrentUserId,
    records: RecordsService,
) -> Record:
    """Change what is given of one of one's own records, and nothing else."""
    return await records.change(record_id, user_id=user_id, change=body)


@router.delete(
    "/records/{record_id}",
    status_code=204,
    responses=documents(RecordNotFound),
)
async def delete_record(record_id: UUID, user_id: CurrentUserId, records: RecordsService) -> None:
    """Delete one of one's own records, for good."""
    await records.delete(record_id, user_id=user_id)
