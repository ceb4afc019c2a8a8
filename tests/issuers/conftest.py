"""Fixtures: a server of keys."""

from collections.abc import Iterator

import pytest

from tests.issuers.key_server import KeyServer


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with KeyServer().running() as server:
        yield server
