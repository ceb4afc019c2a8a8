"""A copy of the project in a folder of its own, as somebody has it who just cloned it."""

from pathlib import Path

import pytest

from tests.first_run.processes import copy_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The working files, without anything that running leaves behind."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, for a module whose tests share one server."""
    return copy_project(tmp_path_factory.mktemp("shared") / "project")
