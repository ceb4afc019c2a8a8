"""`python -m src.cli secrets verify`: whether secrets are there, strong, private and apart.

No secret is in what is returned here, only what `fingerprint_of` says of it.
"""

import io
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from dotenv import dotenv_values
from pydantic import TypeAdapter, ValidationError

from src.auth.key_file import KeyFileError, is_open_to_others, key_with, read_key_file
from src.core.secret_strength import weakness_of
from src.core.settings import ENV_FILE, Settings
from src.first_run.doctor import Verdict
from src.first_run.fingerprint import fingerprint_of
from src.first_run.secret_file import SECRET_NAMES, SHARED_NAMES

LIVE: Final = "environment"
LIFETIMES: Final = (
    "ACCESS_TOKEN_EXPIRE_MINUTES",
    "REFRESH_TOKEN_EXPIRE_DAYS",
    "SESSION_ABSOLUTE_DAYS",
    "REFRESH_GRACE_SECONDS",
    "REFRESH_RECOVERY_HOURS",
)

Values = Mapping[str, str]
NOTHING: Final[Values] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `name` stays what it is: scripts may go by it.

    `subject` is the setting or file that it is about; `detail` continues its sentence.
    """

    name: str
    source: str
    subject: str
    verdict: Verdict
    detail: str
    fingerprint: str | None = None


def check_live() -> Iterator[Check]:
    """What a server would have that is started here: the environment, and then `.env`."""
    values = _without_empty(os.environ)
    if Path(ENV_FILE).exists():
        values, checks = _read(Path(ENV_FILE), under=values)
        yield from checks
    yield from _check_values(LIVE, values, Path())


def check_env_file(path: Path) -> Iterator[Check]:
    """One file by itself; the path of its key file is taken from its folder."""
    values, checks = _read(path)
    yield from checks
    if checks[0].verdict is Verdict.OK:
        yield from _check_values(str(path), values, path.parent)


def check_pair(first: Path, second: Path, names: Sequence[str] = ()) -> Iterator[Check]:
    """Whether two files share these secrets; without names, those that are meant to be shared."""
    sides: dict[Path, Values] = {}
    for path in (first, second):
        sides[path], checks = _read(path)
        yield from checks
    usual = [name for name in SHARED_NAMES if any(name in values for values in sides.values())]
    source = f"{first} and {second}"
    for name in names or usual:
        yield _check_shared(source, name, sides)
    if not names and not usual:
        detail = f"is in neither, be it {' or '.join(SHARED_NAMES)}"
        yield Check("pair-equal", source, "A shared secret", Verdict.PROBLEM, detail)


def _read(path: Path, *, under: Values = NOTHING) -> tuple[Values, list[Check]]:
    """What a file sets `under` what wins over it, and checks of the file: first, can it be read."""
    try:
        spelled = dotenv_values(stream=io.StringIO(path.read_text("utf-8")))
        is_open = is_open_to_others(path)
    except (OSError, UnicodeDecodeError) as error:
        detail = f"cannot be read ({type(error).__name__}): it must be there, UTF-8 and yours"
        return under, [Check("file-readable", str(path), "The file", Verdict.PROBLEM, detail)]
    values = {**_without_empty(spelled), **under}
    readable = Check("file-readable", str(path), "The file", Verdict.OK, "can be read")
    verdict, detail = _privacy(path, values, is_open=is_open)
    return values, [readable, Check("file-private", str(path), "The file", verdict, detail)]


def _without_empty(values: Mapping[str, str | None]) -> Values:
    """As the application takes them: what is empty is not set."""
    return {name: value for name, value in values.items() if value}


def _privacy(path: Path, values: Values, *, is_open: bool) -> tuple[Verdict, str]:
    if not is_open:
        return Verdict.OK, "is readable by its owner alone"
    in_production = values.get("ENVIRONMENT") == "production"
    verdict = Verdict.PROBLEM if in_production else Verdict.WARNING
    return verdict, f"is open to others. Run: chmod 600 {path}"


def _check_values(source: str, values: Values, folder: Path) -> Iterator[Check]:
    for name in SECRET_NAMES:
        yield _check_secret(source, name, values, needed=True)
    for name in SHARED_NAMES:
        yield _check_secret(source, name, values, needed=False)
    yield _check_distinct(source, values)
    yield from _check_lifetimes(source, values)
    yield _check_key_file(source, values, folder)


def _check_secret(source: str, name: str, values: Values, *, needed: bool) -> Check:
    secret = values.get(name)
    if not secret and needed:
        of_file = "" if source in (LIVE, ENV_FILE) else f" --env-file {source}"
        detail = f"is missing. Run: python -m src.cli secrets generate{of_file}"
        return Check("secret-present", source, name, Verdict.PROBLEM, detail)
    if not secret:
        return Check("secret-present", source, name, Verdict.OK, "is not set, and need not be")
    weakness = weakness_of(secret)
    if weakness:
        return Check("secret-strong", source, name, Verdict.PROBLEM, weakness)
    return Check("secret-strong", source, name, Verdict.OK, "is strong", fingerprint_of(secret))


def _check_distinct(source: str, values: Values) -> Check:
    """One secret for two purposes lets whoever knows it for the one do the other."""
    names_of = defaultdict(list)
    for name in (*SECRET_NAMES, *SHARED_NAMES):
        if name in values:
            names_of[values[name]].append(name)
    equal = [" = ".join(names) for names in names_of.values() if len(names) > 1]
    if equal:
        detail = f"serve several purposes: {', '.join(equal)}. Replace all but one"
        return Check("secrets-distinct", source, "Secrets", Verdict.PROBLEM, detail)
    return Check("secrets-distinct", source, "Secrets", Verdict.OK, "are unlike each other")


def _check_lifetimes(source: str, values: Values) -> Iterator[Check]:
    """Each within the bounds of its setting, and the session no shorter than what it renews."""
    valid: dict[str, int] = {}
    for name in LIFETIMES:
        field = Settings.model_fields[name]
        try:
            adapter = TypeAdapter[int](Annotated[int, field])
            valid[name] = adapter.validate_python(values.get(name, field.default))
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]["msg"]
            detail = f"is out of bounds: {fault[0].lower()}{fault[1:]}"
            yield Check("lifetimes", source, name, Verdict.PROBLEM, detail)
    if len(valid) < len(LIFETIMES):
        return
    minutes, days, absolute, *_ = valid.values()
    if absolute < days:
        detail = "is shorter than REFRESH_TOKEN_EXPIRE_DAYS"
        yield Check("lifetimes", source, "SESSION_ABSOLUTE_DAYS", Verdict.PROBLEM, detail)
    else:
        detail = f"are {minutes} min (access), {days} days (refresh), {absolute} days (session)"
        yield Check("lifetimes", source, "Lifetimes", Verdict.OK, detail)


def _check_key_file(source: str, values: Values, folder: Path) -> Check:
    path = folder / values.get("JWT_KEYS_FILE", Settings.model_fields["JWT_KEYS_FILE"].default)
    algorithm = values.get("JWT_ALGORITHM", "HS256")
    try:
        keys = read_key_file(path)
        is_open = is_open_to_others(path)
    except FileNotFoundError:
        verdict, detail = Verdict.OK, "is not there: the two secrets are the keys"
    except (KeyFileError, OSError) as error:
        cause = str(error) if isinstance(error, KeyFileError) else type(error).__name__
        return Check("key-file", source, "JWT_KEYS_FILE", Verdict.PROBLEM, f"is unusable: {cause}")
    else:
        verdict, detail = _privacy(path, values, is_open=is_open)
    active = key_with(keys.access, "active")
    if algorithm != "HS256" and (active is None or active.algorithm != algorithm):
        verdict = Verdict.PROBLEM
        detail = f"has no active {algorithm} key. Run: python -m src.cli secrets rotate"
    return Check("key-file", source, "JWT_KEYS_FILE", verdict, detail)


def _check_shared(source: str, name: str, sides: Mapping[Path, Values]) -> Check:
    absent = [str(path) for path, values in sides.items() if name not in values]
    if absent:
        detail = f"is missing in {' and '.join(absent)}"
        return Check("pair-equal", source, name, Verdict.PROBLEM, detail)
    secrets = [values[name] for values in sides.values()]
    prints = [fingerprint_of(secret) or "weak, not shown" for secret in secrets]
    if len(set(secrets)) > 1:
        detail = f"is not the same on both sides: {' and '.join(prints)}"
        return Check("pair-equal", source, name, Verdict.PROBLEM, detail)
    weakness = weakness_of(secrets[0])
    if weakness:
        return Check("pair-equal", source, name, Verdict.PROBLEM, weakness)
    return Check("pair-equal", source, name, Verdict.OK, "is the same", prints[0])
