"""`secrets generate`: strong, separate, private, and never in place of what is there."""

import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from src.core.secret_strength import weakness_of
from src.first_run.secret_file import SECRET_NAMES, generate_secrets
from tests.first_run.processes import cli


def secrets_in(env_file: Path) -> list[str]:
    values = dotenv_values(env_file)
    return [values.get(name) or "" for name in SECRET_NAMES]


def test_the_command_writes_two_strong_secrets_that_only_the_owner_can_read_and_names_them(
    project: Path,
) -> None:
    done = cli(project, "secrets", "generate")

    first, second = secrets_in(project / ".env")
    assert done.returncode == 0, done.stderr
    assert weakness_of(first) is None
    assert weakness_of(second) is None
    assert first != second
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert all(name in done.stdout for name in SECRET_NAMES)
    assert not any(secret in done.stdout + done.stderr for secret in (first, second))


def test_what_is_there_stays_byte_by_byte(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    before = b"# mine\r\nJWT_SECRET_KEY=short-but-mine\r\nLOG_LEVEL = 'INFO' # note\nJWT_ISSUER=x"
    env_file.write_bytes(before)

    added = generate_secrets(env_file)

    assert added == ["JWT_REFRESH_SECRET_KEY"]
    assert env_file.read_bytes().startswith(before + b"\nJWT_REFRESH_SECRET_KEY=")
    assert secrets_in(env_file)[0] == "short-but-mine"


def test_a_second_time_changes_nothing_but_closes_the_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    generate_secrets(env_file)
    before = env_file.read_bytes()
    env_file.chmod(0o644)

    assert generate_secrets(env_file) == []
    assert env_file.read_bytes() == before
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "empty",
    ["JWT_SECRET_KEY=", 'JWT_SECRET_KEY=""', "export JWT_SECRET_KEY = ", "JWT_SECRET_KEY= # later"],
)
def test_an_empty_assignment_counts_as_missing(tmp_path: Path, empty: str) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"{empty}\nJWT_ISSUER=x\n")

    generate_secrets(env_file)

    assert weakness_of(secrets_in(env_file)[0]) is None
    assert dotenv_values(env_file)["JWT_ISSUER"] == "x"


def test_a_copy_of_the_example_file_is_completed_in_place(project: Path) -> None:
    example = (project / ".env.example").read_text()
    (project / ".env").write_text(example)

    generate_secrets(project / ".env")

    lines = (project / ".env").read_text().splitlines()
    assert len(lines) == len(example.splitlines())
    assert all(secrets_in(project / ".env"))


def test_a_linked_env_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("JWT_ISSUER=x\n")
    (tmp_path / ".env").symlink_to("elsewhere")

    generate_secrets(tmp_path / ".env")

    assert (tmp_path / ".env").is_symlink()
    assert all(secrets_in(tmp_path / "elsewhere"))
