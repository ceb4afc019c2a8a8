"""Fixtures: a database for server processes. Which kind makes no difference to faults of Redis."""

import pytest

from tests.conftest import migrate


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('faults')}/test.db"
    migrate(url, "head")
    return url
