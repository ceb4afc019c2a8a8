"""Anatomy alone."""

from collections.abc import AsyncIterator

import httpx
import pytest

from src.anatomy.router import router
from src.core.db import SessionMaker
from tests.features import ada, bob, client_of, sessionmaker

__all__ = ["ada", "bob", "sessionmaker"]  # fixtures


@pytest.fixture
async def anatomy(sessionmaker: SessionMaker) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(router, sessionmaker=sessionmaker) as client:
        yield client
