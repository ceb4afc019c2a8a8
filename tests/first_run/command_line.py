"""Commands of `python -m src.cli` in this process, in a folder where nothing is configured."""

import secrets
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from src.cli import app
from src.core.settings import Settings


def run(*arguments: str) -> Result:
    """`python -m src.cli ARGUMENT…`; an unforeseen exception fails the test."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def nothing_configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, as where we are, and an environment without any setting."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)
    return folder


def strong() -> str:
    """A secret that is good enough."""
    return secrets.token_urlsafe(48)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, **values: str) -> Path:
    """An env file as it should be, with these values."""
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    path.chmod(0o600)
    return path
