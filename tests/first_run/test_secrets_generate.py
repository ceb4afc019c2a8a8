"""`secrets generate` for several files: separate secrets, shared ones, and what is refused."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from src.core.secret_strength import weakness_of
from src.first_run.failures import ExitCode
from src.first_run.secret_file import SECRET_NAMES
from tests.first_run.command_line import mode, nothing_configured, run, strong, write

SHARED = "SERVICE_TOKEN_SECRET"
FILES = ("--env-file", "a.env", "--env-file", "b.env")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return nothing_configured(tmp_path, monkeypatch)


def secret(name: str, file: str = ".env") -> str:
    return dotenv_values(file).get(name) or ""


def test_every_file_gets_secrets_of_its_own_and_the_shared_one_in_common() -> None:
    done = run("secrets", "generate", *FILES, "--shared", SHARED, "--shared", "BETTER_AUTH_SECRET")

    own = [secret(name, file) for name in SECRET_NAMES for file in ("a.env", "b.env")]
    shared = [secret(name, "a.env") for name in (SHARED, "BETTER_AUTH_SECRET")]
    assert done.exit_code == ExitCode.OK, done.stderr
    assert shared == [secret(name, "b.env") for name in (SHARED, "BETTER_AUTH_SECRET")]
    assert len({*own, *shared}) == 6
    assert not any(weakness_of(each) for each in own + shared)
    assert [mode(Path(name)) for name in ("a.env", "b.env")] == [0o600, 0o600]


def test_values_are_printed_when_asked_for_and_only_then() -> None:
    quiet = run("secrets", "generate", *FILES, "--shared", SHARED)
    shown = run("secrets", "generate", "--show", "--env-file", "c.env")

    written = [*dotenv_values("a.env").values(), *dotenv_values("b.env").values()]
    assert not any(str(value) in quiet.output for value in written)
    for name in SECRET_NAMES:
        assert f"{name}={secret(name, 'c.env')}\n" in shown.stdout


def test_a_strong_secret_of_one_file_is_taken_over_to_the_others(folder: Path) -> None:
    mine = strong()
    write(folder / "b.env", **{SHARED: mine})

    done = run("secrets", "generate", *FILES, "--shared", SHARED, "--only-shared")

    assert done.exit_code == ExitCode.OK
    assert dotenv_values("a.env") == {SHARED: mine}
    assert (folder / "b.env").read_text() == f"{SHARED}={mine}\n"


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        (strong(), strong(), "is not the same in a.env and b.env"),
        ("short-but-there", "", "in a.env is shorter than 32 bytes, so it was not copied"),
        ("it's " + strong(), "", "cannot be copied"),
    ],
    ids=["different", "weak", "unspellable"],
)
def test_a_conflict_is_told_and_changes_nothing(
    folder: Path, first: str, second: str, complaint: str
) -> None:
    (folder / "a.env").write_text(f'{SHARED}="{first}"\n')
    (folder / "b.env").write_text(f"{SHARED}={second}\n")
    before = [(folder / name).read_bytes() for name in ("a.env", "b.env")]

    done = run("secrets", "generate", *FILES, "--shared", SHARED)

    assert done.exit_code == ExitCode.REFUSED
    assert complaint in done.stderr
    assert "Nothing was changed" in done.stderr
    assert first not in done.output
    assert [(folder / name).read_bytes() for name in ("a.env", "b.env")] == before


def test_a_file_that_cannot_be_written_leaves_the_others_as_they_were(folder: Path) -> None:
    write(folder / "a.env", LOG_LEVEL="INFO")

    done = run("secrets", "generate", "--env-file", "a.env", "--env-file", "nowhere/b.env")

    assert done.exit_code == ExitCode.REFUSED
    assert (folder / "a.env").read_text() == "LOG_LEVEL=INFO\n"
    assert [path.name for path in folder.iterdir()] == ["a.env"]


def test_one_file_under_two_names_is_one_file(folder: Path) -> None:
    (folder / "b.env").symlink_to("a.env")

    run("secrets", "generate", *FILES)

    assert list(dotenv_values("a.env")) == list(SECRET_NAMES)
    assert (folder / "b.env").is_symlink()


def test_a_weak_secret_is_kept_and_named(folder: Path) -> None:
    write(folder / ".env", JWT_SECRET_KEY="short-but-mine")

    done = run("secrets", "generate")

    assert done.exit_code == ExitCode.OK
    assert "JWT_SECRET_KEY in .env is shorter than 32 bytes. It was kept" in done.stderr
    assert "short-but-mine" not in done.output
    assert secret("JWT_SECRET_KEY") == "short-but-mine"


@pytest.mark.parametrize(
    "arguments", [("--only-shared",), ("--shared", "not a name"), ("--shared", "A=B")]
)
def test_what_makes_no_sense_is_wrong_usage(folder: Path, arguments: tuple[str, ...]) -> None:
    assert run("secrets", "generate", *arguments).exit_code == ExitCode.USAGE
    assert list(folder.iterdir()) == []
