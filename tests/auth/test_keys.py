"""Which keys a server has, and when it reads their file again."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.auth.key_file import KeyFile, key_with
from src.auth.keys import Keys
from src.core.settings import ConfigurationError, Settings
from src.first_run.key_rotation import (
    LEARNT_AFTER,
    kinds_of,
    new_key,
    rotated,
    write_first_key,
    write_key_file,
)
from tests.auth.key_files import NOW, SECRET, entry
from tests.conftest import make_settings

RELOADED_SECONDS = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def settings(path: Path) -> Settings:
    return make_settings(JWT_KEYS_FILE=str(path))


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (entry(), "key abcdefgh is not what its kid says"),
        (entry(algorithm="ES256", secret=None, private_key=SECRET), "abcdefgh is no key for ES256"),
    ],
)
def test_a_key_that_is_not_what_it_says_keeps_the_server_from_starting(
    path: Path, settings: Settings, key: dict[str, Any], complaint: str
) -> None:
    path.write_text(json.dumps({"access": [key]}))
    with pytest.raises(ConfigurationError, match=complaint) as refusal:
        Keys(settings)
    assert SECRET not in str(refusal.value)


def test_one_secret_cannot_serve_both_kinds(path: Path) -> None:
    shared = new_key("HS256", NOW)
    assert shared.secret is not None
    path.write_text(KeyFile(refresh=(shared,)).model_dump_json(exclude_none=True))
    settings = make_settings(
        JWT_KEYS_FILE=str(path), JWT_SECRET_KEY=shared.secret.get_secret_value()
    )
    with pytest.raises(ConfigurationError, match="one secret serves both kinds"):
        Keys(settings)


def test_a_file_that_others_may_read_is_refused_in_production_and_noted_in_development(
    path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    write_key_file(path, KeyFile())
    assert path.stat().st_mode & 0o777 == 0o600
    Keys(settings)
    assert events(caplog) == []
    path.chmod(0o640)
    Keys(settings)
    assert events(caplog) == ["keys-open-to-others"]
    production = make_settings(
        ENVIRONMENT="production",
        DATABASE_URL="postgresql://h/d?sslmode=verify-full",
        REDIS_URL="rediss://h",
        BCRYPT_ROUNDS=12,
        JWT_KEYS_FILE=str(path),
    )
    with pytest.raises(ConfigurationError, match="is open to others"):
        Keys(production)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_without_a_file_the_settings_keys_sign(settings: Settings) -> None:
    keys, (access, refresh) = Keys(settings), kinds_of(settings)
    assert keys.access.active.kid == access.environment_kid
    assert keys.refresh.active.kid == refresh.environment_kid


def test_the_settings_key_verifies_on_until_the_file_ends_it(
    path: Path, settings: Settings
) -> None:
    access, _ = kinds_of(settings)
    token = Keys(settings).access.active.sign({"a": 1})
    active = new_key("HS256", NOW).model_copy(update={"status": "active"})
    write_key_file(path, KeyFile(access=(active,)))
    assert Keys(settings).access.verify(token)[0] == {"a": 1}
    assert Keys(settings).access.active.kid == active.kid
    ended = {"kid": access.environment_kid, "secret": None, "environment": True}
    path.write_text(
        json.dumps(
            {
                "access": [
                    json.loads(active.model_dump_json(exclude_none=True)),
                    entry(status="retiring", not_after=1, **ended),
                ]
            }
        )
    )
    assert [key.kid for key in Keys(settings).access.unexpired] == [active.kid]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_an_algorithm_without_an_active_key_keeps_the_server_from_starting(
    path: Path, algorithm: str
) -> None:
    settings = make_settings(JWT_ALGORITHM=algorithm, JWT_KEYS_FILE=str(path))
    with pytest.raises(ConfigurationError, match=r"Run: python -m src\.cli secrets rotate"):
        Keys(settings)
    assert write_first_key(settings, NOW)
    active = Keys(settings).access.active
    assert active.algorithm == algorithm
    token = active.sign({"a": 1})
    assert Keys(settings).access.verify(token)[0] == {"a": 1}
    assert not write_first_key(settings, NOW)


def rewrite(path: Path, settings: Settings) -> str:
    """Give the file another active access key; its id."""
    access, refresh = kinds_of(settings)
    file = rotated(KeyFile(), access=access, refresh=refresh, now=NOW)
    file = rotated(file, access=access, refresh=refresh, now=NOW + LEARNT_AFTER)
    write_key_file(path, file)
    active = key_with(file.access, "active")
    assert active is not None
    return active.kid


def break_form(path: Path) -> None:
    path.write_text('{"access": [')


def break_encoding(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


def take_away(path: Path) -> None:
    path.unlink()


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [break_form, break_encoding, take_away, make_a_folder])
def test_a_file_that_cannot_be_used_changes_nothing_and_is_told_once(
    path: Path, settings: Settings, caplog: pytest.LogCaptureFixture, spoil: Any
) -> None:
    first = rewrite(path, settings)
    keys = Keys(settings)
    ring = keys.access
    spoil(path)
    for _ in range(3):
        keys.reload()
    assert events(caplog).count("keys-not-reloaded") == 1
    keys.reload(even_unchanged=True)
    assert ring.active.kid == first
    if path.is_dir():
        path.rmdir()
    second = rewrite(path, settings)
    keys.reload()
    assert ring.active.kid == second != first


async def test_the_file_is_read_again_when_it_changes_and_on_sighup(
    path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="latchkey")
    keys = Keys(settings)
    async with keys.following():
        kid = rewrite(path, settings)
        await soon(lambda: keys.access.active.kid == kid)
        os.kill(os.getpid(), signal.SIGHUP)  # nothing has changed: only the signal can cause it
        await soon(lambda: events(caplog).count("keys-reloaded") == 2)


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(RELOADED_SECONDS):
        while not condition():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.01)
