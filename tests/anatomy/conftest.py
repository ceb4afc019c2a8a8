"""Anatomy alone."""

from collections.abc import AsyncIterator

import httpx
import pytest

from src.anatomy.router import router
from src.core.db import SessionMaker, new_id
from tests.factories import bearer
from tests.features import ada, bob, client_of, sessionmaker

__all__ = ["ada", "bob", "sessionmaker"]  # fixtures


@pytest.fixture
async def anatomy(sessionmaker: SessionMaker) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(router, sessionmaker=sessionmaker) as client:
        yield client


@pytest.fixture(scope="session")
async def catalogue_client() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody's client where there is no database: for what is the same for everybody."""
    async with client_of(router) as client:
        client.headers.update(bearer(str(new_id())))
        yield client
