"""What does not start ends with one clear message and the exit code of its kind."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from src.first_run.failures import ExitCode
from tests.first_run.processes import cli, command

GOOD = {
    "JWT_SECRET_KEY": secrets.token_urlsafe(48),
    "JWT_REFRESH_SECRET_KEY": secrets.token_urlsafe(48),
    "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0",
}
BARE_UVICORN = ("-m", "uvicorn", "src.main:app", "--port", "0")


@contextmanager
def port_in_use() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def only_the_message(output: str) -> bool:
    return "Traceback" not in output and len(output.splitlines()) <= 2


def spoilt_in_fault_runs(changes: dict[str, str], message: str) -> object:
    return pytest.param(changes, message, marks=pytest.mark.faults)


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        spoilt_in_fault_runs({"JWT_SECRET_KEY": ""}, "JWT_SECRET_KEY is missing: access tokens"),
        ({"JWT_REQUIRE_AUTH": "false"}, "authentication cannot be switched off"),
        spoilt_in_fault_runs({"JWT_REFRESH_SECRET_KEY": "short"}, "is shorter than 32 bytes"),
        spoilt_in_fault_runs({"JWT_REFRESH_SECRET_KEY": GOOD["JWT_SECRET_KEY"]}, "are equal"),
        spoilt_in_fault_runs({"JWT_ALGORITHM": "ES256"}, "Run: python -m src.cli secrets rotate"),
        spoilt_in_fault_runs({"TRUSTED_ISSUERS": "absent.json"}, "absent.json cannot be read"),
        spoilt_in_fault_runs({"REDIS_URL": ""}, "REDIS_URL is missing: refresh tokens live there."),
    ],
)
def test_a_bare_uvicorn_with_a_bad_configuration_exits_with_the_message_alone(
    project: Path, spoilt: dict[str, str], message: str
) -> None:
    done = command(project, *BARE_UVICORN, **{**GOOD, **spoilt})

    assert done.returncode == ExitCode.CONFIGURATION
    assert message in done.stderr
    assert "running on" not in done.stderr  # what uvicorn says when the port is open
    assert "Traceback" not in done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in GOOD.values())


@pytest.mark.faults
def test_a_bare_uvicorn_with_workers_gives_up_as_well(project: Path) -> None:
    done = command(project, *BARE_UVICORN, "--workers", "2", **{**GOOD, "REDIS_URL": ""})

    assert "REDIS_URL is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_with_a_bad_configuration_exits_before_anything_is_started(project: Path) -> None:
    done = cli(project, "run", "--port", "0", **{**GOOD, "JWT_SECRET_KEY": "short"})

    assert done.returncode == ExitCode.CONFIGURATION
    assert done.stderr.startswith("JWT_SECRET_KEY is shorter than 32 bytes")
    assert only_the_message(done.stderr)
    assert not (project / ".local").exists()


@pytest.mark.faults
def test_an_env_file_without_secrets_is_its_owners_business(project: Path) -> None:
    (project / ".env").write_text("LOG_LEVEL=INFO\n")

    done = cli(project, "run", "--port", "0")

    assert done.returncode == ExitCode.CONFIGURATION
    assert "Run: python -m src.cli secrets generate" in done.stderr
    assert (project / ".env").read_text() == "LOG_LEVEL=INFO\n"


@pytest.mark.faults
def test_production_generates_no_secret(project: Path) -> None:
    done = cli(project, "run", "--port", "0", ENVIRONMENT="production")

    assert done.returncode == ExitCode.CONFIGURATION
    assert not (project / ".env").exists()


@pytest.mark.faults
def test_a_redis_that_does_not_answer_is_named_without_its_password(project: Path) -> None:
    done = cli(project, "run", "--port", "0", **GOOD)

    assert done.returncode == ExitCode.REDIS
    assert done.stderr == (
        "Redis does not answer at redis://127.0.0.1:1/0: refresh tokens live there. "
        "Run: make run, or set REDIS_URL.\n"
    )


@pytest.mark.faults
def test_a_database_that_does_not_answer_is_named_without_its_password(project: Path) -> None:
    database_url = "postgresql://latchkey:hunter2@127.0.0.1:1/latchkey"
    done = cli(project, "migrate", DATABASE_URL=database_url)

    assert done.returncode == ExitCode.DATABASE
    assert done.stderr.startswith("The database does not answer at postgresql://latchkey:***@127")
    assert only_the_message(done.stderr)
    assert "hunter2" not in done.stdout + done.stderr


def test_a_port_in_use_is_answered_with_another(project: Path) -> None:
    with port_in_use() as port:
        done = cli(project, "run", "--port", str(port))

    assert done.returncode == ExitCode.ADDRESS
    assert f"Port {port} is in use" in done.stderr
    assert f"make run PORT={port + 1}" in done.stderr
    assert only_the_message(done.stderr)


def test_a_database_without_tables_takes_no_user(project: Path) -> None:
    done = cli(project, "user", "create", "mary@example.com", "--password-stdin", **GOOD)

    assert done.returncode == ExitCode.DATABASE
    assert "Run: python -m src.cli migrate" in done.stderr
