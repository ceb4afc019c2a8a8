"""Whether the process lives, and whether it can do its work."""

import asyncio
from collections.abc import Awaitable
from typing import ClassVar, Final, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from redis.asyncio import Redis
from sqlalchemy import text

from src.core.db import SessionMaker
from src.core.errors import FieldError, ServiceUnavailable
from src.core.problem_json import documents

READY_SECONDS: Final = 0.5

router = APIRouter(tags=["system"])

# Checks that were given up on: the event loop itself holds tasks only weakly.
_abandoned: set[asyncio.Task[bool]] = set()


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    status: Literal["ready"] = "ready"
    database: Literal["ok"] = "ok"
    redis: Literal["ok"] = "ok"


class DatabaseNotReady(ServiceUnavailable):
    detail: ClassVar[str] = "The database does not answer."


class RedisNotReady(ServiceUnavailable):
    detail: ClassVar[str] = "Redis does not answer."


class NothingReady(ServiceUnavailable):
    detail: ClassVar[str] = "Neither the database nor Redis answers."


@router.get("/healthz")
async def healthz() -> Alive:
    """The process runs. Touches neither database nor Redis."""
    return Alive()


@router.get("/readyz", responses=documents(ServiceUnavailable))
async def readyz(request: Request) -> Ready:
    """Database and Redis answer, each within 500 ms. The 503 names the one that does not."""
    raise_unless_ready(
        await answering(
            database=_database_answers(request.state.sessionmaker),
            redis=_redis_answers(request.state.redis),
        )
    )
    return Ready()


async def answering(**checks: Awaitable[bool]) -> dict[str, bool]:
    """Which of the checks succeed within `READY_SECONDS`, all at once.

    A check that does not come back is cancelled and not waited for: a driver whose server is
    frozen can take long to give up.
    """
    tasks = {name: asyncio.ensure_future(check) for name, check in checks.items()}
    await asyncio.wait(tasks.values(), timeout=READY_SECONDS)
    for task in tasks.values():
        if not task.done():
            task.cancel()
            _abandoned.add(task)
            task.add_done_callback(_forget)
    return {name: _succeeded(task) for name, task in tasks.items()}


def raise_unless_ready(answers: dict[str, bool]) -> None:
    """Raises: `ServiceUnavailable` that names in `detail` and `errors` what does not answer."""
    away = [name for name, answers_in_time in answers.items() if not answers_in_time]
    if not away:
        return
    errors = [FieldError(f"/{name}", "does not answer within 500 ms") for name in away]
    problem = {"database": DatabaseNotReady, "redis": RedisNotReady}[away[0]]
    raise (problem if len(away) == 1 else NothingReady)(*errors)


def _succeeded(task: asyncio.Task[bool]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None and task.result()


def _forget(task: asyncio.Task[bool]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # seen: an abandoned check may fail in its own time


async def _database_answers(sessions: SessionMaker) -> bool:
    async with sessions() as db:
        await db.execute(text("SELECT 1"))
    return True


async def _redis_answers(redis: Redis) -> bool:
    return bool(await redis.ping())
