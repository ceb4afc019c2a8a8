"""`secrets rotate`: what it says is what servers then find in the file."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from src.auth.keys import Keys
from src.core.clock import utc_now
from src.core.settings import load_settings
from src.first_run.failures import ExitCode, Refused
from src.first_run.private_files import only_one_in
from src.first_run.secret_rotation import Which, rotate
from tests.first_run.command_line import mode, nothing_configured, run, strong, write

LONG_AGO = 1_000_000_000
KEY_FILE = ".local/keys.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose two secrets are all its keys."""
    write(tmp_path / ".env", JWT_SECRET_KEY=strong(), JWT_REFRESH_SECRET_KEY=strong())
    return nothing_configured(tmp_path, monkeypatch)


def rotated(*arguments: str) -> list[str]:
    """The lines that are printed, once published keys have become known."""
    file = Path(KEY_FILE)
    if file.exists():
        text = re.sub(r'("published_at": )\d+', rf"\g<1>{LONG_AGO}", file.read_text())
        file.write_text(text)
    done = run("secrets", "rotate", *arguments)
    assert done.exit_code == ExitCode.OK, done.output
    return done.stdout.splitlines()


def signing() -> tuple[str, str]:
    """What a server that starts now signs with."""
    keys = Keys(load_settings())
    return keys.access.active.kid, keys.refresh.active.kid


def key_file() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path(KEY_FILE).read_text())
    return document


def test_the_first_rotation_publishes_a_key_of_each_kind_and_says_what_comes_next() -> None:
    before = signing()

    lines = rotated()

    (access,), (refresh,) = key_file()["access"], key_file()["refresh"]
    assert lines == [
        f"Access key {before[0]} goes on signing.",
        f"Access key {access['kid']} is published: servers verify with it and do not sign yet.",
        f"Refresh key {before[1]} goes on signing.",
        f"Refresh key {refresh['kid']} is published: servers verify with it and do not sign yet.",
        f"Next: servers read {KEY_FILE} in a second, without a restart; copy it to other hosts.",
        "In 10 seconds or later let the published key sign: python -m src.cli secrets rotate",
    ]
    assert signing() == before
    assert mode(Path(KEY_FILE)) == 0o600


def test_the_second_lets_it_sign_and_retires_the_secret_of_the_settings() -> None:
    old, _ = signing()
    rotated()
    published = key_file()["access"][0]["kid"]

    lines = rotated()

    new, _ = signing()
    until = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert new == published
    assert f"Access key {new} signs from now on." in lines
    assert re.search(
        rf"^Access key {old} \(JWT_SECRET_KEY\) signs no more; it verifies until {until}\.$",
        "\n".join(lines),
        re.MULTILINE,
    )
    assert "At the next rotation run this once more: python -m src.cli secrets rotate" in lines


def test_the_third_retires_the_second_key_and_drops_what_has_expired() -> None:
    rotated()
    rotated()
    first, _ = signing()
    rotated()
    second, _ = signing()
    path = Path(KEY_FILE)
    path.write_text(re.sub(r'("not_after": )\d+', rf"\g<1>{LONG_AGO}", path.read_text()))

    lines = rotated()

    assert f"Access key {first} is gone: its last token has expired." in lines
    assert any(line.startswith(f"Access key {second} signs no more") for line in lines)


@pytest.mark.parametrize(("kind", "other"), [("access", "refresh"), ("refresh", "access")])
def test_one_kind_rotates_without_the_other_and_does_not_wait_for_it(kind: str, other: str) -> None:
    rotated("--kind", kind)
    run("secrets", "rotate", "--kind", other)
    before = key_file()
    age_alone = before[kind][0] | {"published_at": LONG_AGO}
    Path(KEY_FILE).write_text(json.dumps(before | {kind: [age_alone]}))

    done = run("secrets", "rotate", "--kind", kind)

    assert done.exit_code == ExitCode.OK, done.output
    assert key_file()[other] == before[other]
    assert len(key_file()[kind]) == 3
    assert f"{other.capitalize()} key" not in done.stdout
    assert f"secrets rotate --kind {kind}" in done.stdout


def test_too_soon_is_refused_and_says_for_how_long() -> None:
    rotated()
    before = Path(KEY_FILE).read_bytes()

    done = run("secrets", "rotate")

    assert done.exit_code == ExitCode.REFUSED
    assert re.search(r"Nothing was changed\. Run this again in \d+ seconds\.", done.stderr)
    assert Path(KEY_FILE).read_bytes() == before


def test_of_two_rotations_at_once_the_second_finds_what_the_first_did(folder: Path) -> None:
    rotated()
    path = folder / KEY_FILE
    by_the_first = path.read_bytes()
    path.unlink()

    with ThreadPoolExecutor() as pool, only_one_in(folder / ".local"):
        second = pool.submit(rotate, load_settings(), Which.BOTH, utc_now())
        with pytest.raises(TimeoutError):
            second.result(timeout=0.2)
        path.write_bytes(by_the_first)

    assert isinstance(second.exception(), Refused), "the published keys are too new"
    assert path.read_bytes() == by_the_first


def test_a_changed_algorithm_takes_one_more_step_and_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rotated()
    monkeypatch.setenv("JWT_ALGORITHM", "ES256")

    waiting, done = rotated("--kind", "access"), rotated("--kind", "access")

    assert waiting[-1].startswith("In 300 seconds or later let the published key sign")
    assert done[-1].startswith("At the next rotation")
    assert key_file()["access"][0]["algorithm"] == "ES256"


def test_no_secret_is_printed_and_every_kid_is_named() -> None:
    lines = "\n".join([*rotated(), *rotated(), *rotated()])

    entries = [*key_file()["access"], *key_file()["refresh"]]
    assert all(entry["kid"] in lines for entry in entries)
    assert not any(entry.get("secret", "-----BEGIN") in lines for entry in entries)


@pytest.mark.parametrize("content", ["{", '{"access": 1}'])
def test_a_broken_file_is_left_alone(folder: Path, content: str) -> None:
    (folder / ".local").mkdir()
    (folder / KEY_FILE).write_text(content)

    done = run("secrets", "rotate")

    assert done.exit_code == ExitCode.CONFIGURATION
    assert done.stderr.startswith("JWT_KEYS_FILE: .local/keys.json: ")
    assert (folder / KEY_FILE).read_text() == content


def test_a_folder_that_cannot_hold_the_file_is_told(folder: Path) -> None:
    (folder / ".local").symlink_to("nowhere")

    done = run("secrets", "rotate")

    assert done.exit_code == ExitCode.REFUSED
    assert done.stderr == f"{KEY_FILE} cannot be written (FileExistsError).\n"
