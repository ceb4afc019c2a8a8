"""The anatomy routes."""

from typing import Annotated

from fastapi import APIRouter, Depends

from src.anatomy.schemas import NewRecord, Overview, Record
from src.anatomy.service import Anatomy
from src.core.bodies import StrictRoute
from src.core.db import DbSession
from src.core.errors import AuthenticationRequired, InvalidToken
from src.core.identity import CurrentUserId
from src.core.problem_json import documents

router = APIRouter(prefix="/anatomy", tags=["anatomy"], route_class=StrictRoute)

PROBLEMS = documents(AuthenticationRequired, InvalidToken)


async def get_anatomy(db: DbSession) -> Anatomy:
    return Anatomy(db)


AnatomyService = Annotated[Anatomy, Depends(get_anatomy)]


@router.get("/", responses=PROBLEMS)
async def read_overview(user_id: CurrentUserId, anatomy: AnatomyService) -> Overview:
    """The body systems, with what the signed-in person noted about them."""
    return await anatomy.overview(user_id=user_id)


@router.post("/records", status_code=201, responses=PROBLEMS)
async def add_record(body: NewRecord, user_id: CurrentUserId, anatomy: AnatomyService) -> Record:
    """Note something about a part of one's own body."""
    return await anatomy.add_record(user_id=user_id, new=body)
