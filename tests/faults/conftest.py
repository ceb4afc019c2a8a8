"""Fixtures: a database for server processes. Which kind makes no difference to faults of Redis."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from src.core.db import build_engine
from tests.conftest import migrate


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('faults')}/test.db"
    migrate(url, "head")
    return url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Of this database. The one of other tests stays with theirs once it was made."""
    engine = build_engine(database_url)
    yield engine
    await engine.dispose()
