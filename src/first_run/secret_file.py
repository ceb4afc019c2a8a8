"""Secrets in env files: made once, never changed by us afterwards."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from src.auth.key_file import is_open_to_others
from src.core.secret_strength import weakness_of
from src.first_run.env_file import EnvFile
from src.first_run.failures import Refused
from src.first_run.private_files import OWNER_ONLY_FILE, replace_privately

SECRET_NAMES: Final = ("JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY")
SHARED_NAMES: Final = ("SERVICE_TOKEN_SECRET", "BETTER_AUTH_SECRET")
SECRET_BYTES: Final = 48
HEADING: Final = (
    "# Latchkey's settings; .env.example lists them all. Keep this file to yourself:\n"
    "# whoever reads it can sign in as anybody.\n"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: the secrets written by name, and what is wrong with kept ones."""

    path: Path
    written: dict[str, str]
    weak: dict[str, str]


def generate_secrets(env_file: Path) -> list[str]:
    """Add the secrets that `env_file` lacks and close it to others. Returns the added names.

    Whatever has a value stays as it is, byte by byte; an empty `NAME=` is filled in in place.
    """
    (outcome,) = write_secrets([env_file])
    return list(outcome.written)


def write_secrets(
    env_files: Sequence[Path],
    *,
    own: Sequence[str] = SECRET_NAMES,
    shared: Sequence[str] = (),
) -> list[Outcome]:
    """Add to each file the secrets that it lacks: `own` ones of its own, `shared` ones in common.

    A shared secret that one of the files has already is taken over to the others.
    Raises: `Refused`; then nothing was changed.
    """
    read = [EnvFile.read(path, absent=HEADING if own else "") for path in env_files]
    files = list({file.path.resolve(): file for file in read}.values())  # one may have two names
    in_common = {name: _shared_secret(files, name) for name in shared}
    outcomes, contents = [], {}
    for before in files:
        wanted = {name: secrets.token_urlsafe(SECRET_BYTES) for name in own} | in_common
        written = {name: secret for name, secret in wanted.items() if not before.value(name)}
        weak = {name: weakness for name in wanted if (weakness := weakness_in(before, name))}
        outcomes.append(Outcome(before.path, written, weak))
        after = before
        for name, secret in written.items():
            after = after.with_value(name, secret)
        if written:
            contents[before.path.resolve()] = after.content
    _put(contents, files)
    return outcomes


def weakness_in(file: EnvFile, name: str) -> str | None:
    """What is wrong with a secret of the file; None where there is none or nothing is."""
    value = file.value(name)
    return weakness_of(value) if value else None


def _shared_secret(files: Sequence[EnvFile], name: str) -> str:
    """What all files are to have. Raises: `Refused`."""
    having = [file for file in files if file.value(name)]
    values = {file.value(name) for file in having}
    if not values:
        return secrets.token_urlsafe(SECRET_BYTES)
    places = " and ".join(str(file.path) for file in having)
    if len(values) > 1:
        raise Refused(
            f"{name} is not the same in {places}. Nothing was changed. "
            "Remove it where it is wrong, then run this again."
        )
    weakness = weakness_in(having[0], name)
    if weakness and len(having) < len(files):
        raise Refused(
            f"{name} in {places} {weakness}, so it was not copied. Nothing was changed. "
            "Remove it there, then run this again."
        )
    return values.pop()


def _put(contents: dict[Path, bytes], files: Sequence[EnvFile]) -> None:
    try:
        replace_privately(contents)
        for file in files:
            if is_open_to_others(file.path):
                file.path.chmod(OWNER_ONLY_FILE)
    except OSError as error:
        raise Refused(f"{error.filename} cannot be written ({type(error).__name__}).") from error
