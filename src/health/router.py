"""Whether the process lives, and whether it can do its work."""

import asyncio
from collections.abc import Awaitable
from typing import ClassVar, Final, Literal

from fastapi import Request
from pydantic import BaseModel
from redis.asyncio import Redis
from sqlalchemy import text

from src.core.db import SessionMaker
from src.core.errors import FieldError, ServiceUnavailable
from src.core.problem_json import documents
from src.core.routers import Router

READY_SECONDS: Final = 0.5

router = Router(tags=["system"])

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
    failures = await failures_of(
        database=_database_answers(request.state.sessionmaker),
        redis=_redis_answers(request.state.redis),
    )
    if failures:
        raise _not_ready(failures)
    return Ready()


async def failures_of(**checks: Awaitable[bool]) -> dict[str, str]:
    """Which of the checks fail or take over `READY_SECONDS`, each with its cause; all at once.

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
    causes = {name: _failure(task) for name, task in tasks.items()}
    return {name: cause for name, cause in causes.items() if cause is not None}


def _not_ready(failures: dict[str, str]) -> ServiceUnavailable:
    """The problem that names in `detail` and `errors` what does not answer."""
    problems = {"database": DatabaseNotReady, "redis": RedisNotReady}
    problem = problems[next(iter(failures))] if len(failures) == 1 else NothingReady
    return problem(
        *(FieldError(f"/{name}", "does not answer within 500 ms") for name in failures),
        cause=", ".join(f"{name}: {cause}" for name, cause in failures.items()),
    )


def _failure(task: asyncio.Task[bool]) -> str | None:
    """The cause in one word, for the log; None when there is none."""
    if not task.done() or task.cancelled():
        return "TimeoutError"
    error = task.exception()
    if error is not None:
        return type(error).__name__
    return None if task.result() else "refused"


def _forget(task: asyncio.Task[bool]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # seen: an abandoned check may fail in its own time


async def _database_answers(sessions: SessionMaker) -> bool:
    async with sessions() as db:
        return bool(await db.scalar(text("SELECT 1")))


async def _redis_answers(redis: Redis) -> bool:
    return bool(await redis.ping())
