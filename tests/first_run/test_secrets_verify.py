"""`secrets verify`: every fault has its line and its name, and no secret is ever printed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from src.core.secret_strength import weakness_of
from src.first_run.failures import ExitCode
from src.first_run.fingerprint import fingerprint_of
from tests.conftest import REPOSITORY
from tests.first_run.command_line import nothing_configured, run, strong, write
from tests.first_run.processes import cli

ACCESS, REFRESH, SERVICE = strong(), strong(), strong()
WEAK = "easily guessed"
SHARED = "SERVICE_TOKEN_SECRET"
GOOD = {
    "JWT_SECRET_KEY": ACCESS,
    "JWT_REFRESH_SECRET_KEY": REFRESH,
    "SERVICE_TOKEN_SECRET": SERVICE,
}
PUBLISHED = [
    "better-auth-secret-12345678901234567890",
    "a-string-secret-at-least-256-bits-long",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return nothing_configured(tmp_path, monkeypatch)


def checked(*arguments: str, exit_code: ExitCode) -> list[dict[str, Any]]:
    """The checks of the JSON document. None of our secrets is in it, nor in the lines."""
    done = run("secrets", "verify", *arguments, "--json")
    lines = run("secrets", "verify", *arguments)
    assert (done.exit_code, lines.exit_code) == (exit_code, exit_code), done.output
    assert not any(
        secret in done.output + lines.output for secret in (ACCESS, REFRESH, SERVICE, WEAK)
    )
    document = json.loads(done.stdout)
    assert document["ok"] is (exit_code == ExitCode.OK)
    checks: list[dict[str, Any]] = document["checks"]
    assert len(lines.stdout.splitlines()) == len(checks)
    return checks


def faults(*arguments: str) -> list[tuple[str, str]]:
    """Name and subject of everything that is a problem."""
    checks = checked(*arguments, exit_code=ExitCode.UNHEALTHY)
    return [(check["name"], check["subject"]) for check in checks if check["verdict"] == "problem"]


def test_a_good_file_passes_with_a_fingerprint_for_each_secret(folder: Path) -> None:
    write(folder / "good.env", **GOOD)

    checks = checked("--env-file", "good.env", exit_code=ExitCode.OK)

    shown = {check["subject"]: check["fingerprint"] for check in checks if check["fingerprint"]}
    assert {check["verdict"] for check in checks} == {"ok"}
    assert {check["name"] for check in checks} == {
        *("file-readable", "file-private", "secret-present", "secret-strong"),
        *("secrets-distinct", "lifetimes", "key-file"),
    }
    assert shown == {name: fingerprint_of(secret) for name, secret in GOOD.items()}


def test_a_line_has_its_sign_its_file_and_what_mends_it(folder: Path) -> None:
    write(folder / "bad.env", **GOOD | {"JWT_SECRET_KEY": ""})
    (folder / "bad.env").chmod(0o644)

    lines = run("secrets", "verify", "--env-file", "bad.env").stdout.splitlines()

    mending = "Run: python -m src.cli secrets generate --env-file bad.env"
    assert f"✗ problem  bad.env: JWT_SECRET_KEY is missing. {mending}" in lines
    assert "! warning  bad.env: The file is open to others. Run: chmod 600 bad.env" in lines
    assert (
        f"✓ ok       bad.env: {SHARED} is strong (fingerprint {fingerprint_of(SERVICE)})" in lines
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"JWT_REFRESH_SECRET_KEY": ""}, ("secret-present", "JWT_REFRESH_SECRET_KEY")),
        ({"JWT_SECRET_KEY": "ab" * 40}, ("secret-strong", "JWT_SECRET_KEY")),
        ({"SERVICE_TOKEN_SECRET": WEAK}, ("secret-strong", "SERVICE_TOKEN_SECRET")),
        *(
            ({"BETTER_AUTH_SECRET": each}, ("secret-strong", "BETTER_AUTH_SECRET"))
            for each in PUBLISHED
        ),
        ({"JWT_REFRESH_SECRET_KEY": ACCESS}, ("secrets-distinct", "Secrets")),
        ({"SERVICE_TOKEN_SECRET": REFRESH}, ("secrets-distinct", "Secrets")),
        ({"BETTER_AUTH_SECRET": SERVICE}, ("secrets-distinct", "Secrets")),
        ({"ACCESS_TOKEN_EXPIRE_MINUTES": "61"}, ("lifetimes", "ACCESS_TOKEN_EXPIRE_MINUTES")),
        ({"ACCESS_TOKEN_EXPIRE_MINUTES": SERVICE}, ("lifetimes", "ACCESS_TOKEN_EXPIRE_MINUTES")),
        ({"REFRESH_GRACE_SECONDS": "600"}, ("lifetimes", "REFRESH_GRACE_SECONDS")),
        ({"REFRESH_TOKEN_EXPIRE_DAYS": "31"}, ("lifetimes", "SESSION_ABSOLUTE_DAYS")),
        ({"JWT_ALGORITHM": "ES256"}, ("key-file", "JWT_KEYS_FILE")),
    ],
)
def test_each_fault_of_a_file_is_found_and_nothing_else(
    folder: Path, changes: dict[str, str], fault: tuple[str, str]
) -> None:
    write(folder / "bad.env", **GOOD | changes)

    assert faults("--env-file", "bad.env") == [fault]


def test_nothing_is_shown_of_a_weak_secret(folder: Path) -> None:
    weak = "correct horse battery staple password"
    write(folder / "bad.env", **GOOD | {"JWT_SECRET_KEY": weak})

    done = run("secrets", "verify", "--env-file", "bad.env")

    assert fingerprint_of(weak) is None
    assert "JWT_SECRET_KEY contains a published example\n" in done.stdout
    assert weak not in done.output


@pytest.mark.parametrize("content", [None, b"# caf\xe9\n"])
def test_a_file_that_cannot_be_read_is_a_fault(folder: Path, content: bytes | None) -> None:
    if content is not None:
        (folder / "bad.env").write_bytes(content)

    assert faults("--env-file", "bad.env") == [("file-readable", "The file")]


def test_production_does_not_take_files_that_others_can_read(folder: Path) -> None:
    write(folder / "bad.env", **GOOD, ENVIRONMENT="production").chmod(0o640)
    (folder / ".local").mkdir()
    (folder / ".local" / "keys.json").write_text("{}")

    found = faults("--env-file", "bad.env")

    assert found == [("file-private", "The file"), ("key-file", "JWT_KEYS_FILE")]


@pytest.mark.parametrize(
    "content",
    ["{", '{"access": [{"kid": "' + SERVICE + '"}]}'],
    ids=["no JSON", "a secret for a kid"],
)
def test_a_broken_key_file_is_a_fault_that_shows_no_key(folder: Path, content: str) -> None:
    write(folder / "keys.json").write_text(content)
    write(folder / "bad.env", **GOOD, JWT_KEYS_FILE="keys.json")

    assert faults("--env-file", "bad.env") == [("key-file", "JWT_KEYS_FILE")]


def test_without_a_file_the_environment_counts_and_wins_over_the_env_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / ".env", **GOOD | {"JWT_SECRET_KEY": "weak"})
    assert faults() == [("secret-strong", "JWT_SECRET_KEY")]

    monkeypatch.setenv("JWT_SECRET_KEY", ACCESS)
    assert {check["verdict"] for check in checked(exit_code=ExitCode.OK)} == {"ok"}

    monkeypatch.setenv("ENVIRONMENT", "production")
    (folder / ".env").chmod(0o604)
    assert faults() == [("file-private", "The file")]


def test_nothing_configured_is_two_missing_secrets() -> None:
    assert [name for name, _ in faults()] == ["secret-present", "secret-present"]


@pytest.mark.parametrize(
    ("theirs", "names", "found"),
    [
        ({SHARED: SERVICE}, [], []),
        ({SHARED: SERVICE}, [SHARED], []),
        ({SHARED: REFRESH}, [], [SHARED]),
        ({SHARED: WEAK}, [], [SHARED]),
        ({}, [], [SHARED]),
        ({SHARED: SERVICE, "BETTER_AUTH_SECRET": ACCESS}, [], ["BETTER_AUTH_SECRET"]),
        ({SHARED: SERVICE}, [SHARED, "JWT_SECRET_KEY"], ["JWT_SECRET_KEY"]),
    ],
)
def test_both_sides_of_a_pair_must_have_the_same_secret(
    folder: Path, theirs: dict[str, str], names: list[str], found: list[str]
) -> None:
    write(folder / "a.env", **GOOD)
    write(folder / "b.env", **theirs)
    arguments = ("--pair", "a.env", "b.env", *names)

    if found:
        assert faults(*arguments) == [("pair-equal", name) for name in found]
    else:
        checks = checked(*arguments, exit_code=ExitCode.OK)
        assert checks[-1]["fingerprint"] == fingerprint_of(SERVICE)


def test_a_pair_with_the_same_weak_secret_or_with_none_is_a_fault(folder: Path) -> None:
    for name in ("a.env", "b.env"):
        write(folder / name, SERVICE_TOKEN_SECRET=WEAK)
    assert faults("--pair", "a.env", "b.env") == [("pair-equal", "SERVICE_TOKEN_SECRET")]

    for name in ("a.env", "b.env"):
        write(folder / name)
    assert faults("--pair", "a.env", "b.env") == [("pair-equal", "A shared secret")]


@pytest.mark.parametrize(
    "arguments", [("SERVICE_TOKEN_SECRET",), ("--pair", "a.env", "a.env"), ("--pair", "a.env")]
)
def test_what_makes_no_sense_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert run("secrets", "verify", *arguments).exit_code == ExitCode.USAGE


def test_what_was_generated_passes_in_a_process_of_its_own(folder: Path) -> None:
    files = [str(folder / name) for name in ("a.env", "b.env")]
    run("secrets", "generate", "--env-file", files[0], "--env-file", files[1], "--shared", SHARED)

    done = cli(REPOSITORY, "secrets", "verify", "--env-file", files[0], "--pair", *files)

    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert f"{SHARED} is the same (fingerprint " in done.stdout


def test_no_value_on_our_own_pages_would_pass_for_a_secret() -> None:
    pages = [
        REPOSITORY / ".env.example",
        REPOSITORY / "README.md",
        *REPOSITORY.glob("docs/**/*.md"),
    ]
    words = {
        line.partition("=")[2].strip(" `'\"")
        for page in pages
        for line in page.read_text().splitlines()
        if "SECRET" in line.partition("=")[0]
    }
    assert [word for word in words if " " not in word and not weakness_of(word or "short")] == []


def test_a_fingerprint_stays_what_it_is() -> None:
    assert fingerprint_of("gQ0Xk3vTt7yNf2uWq9Lr5sZb1cHd4aJe6mPi8oEx") == "f9088732"


def test_the_page_lists_exactly_the_names_that_scripts_may_go_by() -> None:
    page = (REPOSITORY / "docs" / "secrets.md").read_text()
    source = (REPOSITORY / "src" / "first_run" / "secret_checks.py").read_text()

    listed = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)

    assert sorted(listed) == sorted(set(re.findall(r'Check\("([a-z-]+)"', source)))
