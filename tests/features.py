"""One feature alone: its router on a real database, and nothing of accounts or tokens.

The bearer token of a request is the id of the person who asks. So features are seen to depend on
the `Authenticate` port only.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col
from starlette.exceptions import HTTPException

from src.auth.models import User
from src.core.db import SessionMaker, build_sessionmaker
from src.core.errors import InvalidToken, Problem
from src.core.identity import Identity
from src.core.middleware import RequestContext
from src.core.problem_json import (
    handle_http_exception,
    handle_problem,
    handle_unexpected,
    handle_validation_error,
)
from tests.conftest import WithState
from tests.factories import bearer, new_email


async def authenticate_by_id(access_token: str) -> Identity:
    """Whoever the token says, known or not."""
    try:
        user_id = UUID(access_token)
    except ValueError as error:
        raise InvalidToken from error
    now = datetime.now(UTC)
    return Identity(
        user_id=user_id,
        session_id="s",
        roles=["user"],
        issued_at=now,
        expires_at=now + timedelta(minutes=1),
    )


async def without_limits(*_: object, **__: object) -> None:
    """Whatever is done is not counted."""


def client_of(router: APIRouter, **state: Any) -> httpx.AsyncClient:
    """A client of an application that has this one router."""
    app = FastAPI()
    app.include_router(router)
    app.add_exception_handler(Problem, handle_problem)
    app.add_exception_handler(HTTPException, handle_http_exception)
    app.add_exception_handler(RequestValidationError, handle_validation_error)
    app.add_exception_handler(Exception, handle_unexpected)
    plugged = {"authenticate": authenticate_by_id, "count_use": without_limits, **state}
    with_state = WithState(RequestContext(app), plugged)
    transport = httpx.ASGITransport(with_state)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


class Somebody:
    """A person with an account, as a feature knows them: by their id."""

    def __init__(self, user_id: UUID) -> None:
        self.id = user_id
        self.authorization = bearer(str(user_id))


async def somebody(sessionmaker: SessionMaker) -> Somebody:
    user = User(email=new_email(), email_key=new_email(), password_hash="-", roles=[])
    async with sessionmaker() as db:
        db.add(user)
        await db.commit()
    return Somebody(user.id)


@pytest.fixture
def sessionmaker(engine: AsyncEngine) -> SessionMaker:
    return build_sessionmaker(engine)


@pytest.fixture
async def ada(sessionmaker: SessionMaker) -> Somebody:
    return await somebody(sessionmaker)


@pytest.fixture
async def bob(sessionmaker: SessionMaker) -> Somebody:
    return await somebody(sessionmaker)


async def forget(sessionmaker: SessionMaker, person: Somebody) -> None:
    """Delete a person's account."""
    async with sessionmaker() as db:
        await db.exec(delete(User).where(col(User.id) == person.id))
        await db.commit()


def without_request_id(response: httpx.Response) -> tuple[int, bytes]:
    """What two answers must agree in to tell a stranger nothing."""
    request_id = response.headers["x-request-id"].encode()
    return response.status_code, response.content.replace(request_id, b"")


def pointers(response: httpx.Response) -> list[str]:
    """The members that a 422 names."""
    return [error["pointer"] for error in response.json()["errors"]]
