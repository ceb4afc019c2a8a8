"""`python -m src.cli secrets rotate`: one step in the life of the keys, and what it means.

Keys are called by their `kid`. It is a fingerprint: of an HS256 secret it says 48 bits of an HMAC
under it, of a key pair the thumbprint of its public half, and every token shows it in its header.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from src.auth.key_file import KeyEntry, KeyFile, KeyFileError, key_with, read_key_file
from src.core.settings import ConfigurationError, Settings
from src.first_run.failures import Refused
from src.first_run.key_rotation import (
    LEARNT_AFTER,
    PUBLIC_LEARNT_AFTER,
    Keys,
    Kind,
    TooSoon,
    kinds_of,
    rotated,
    turn_at,
    write_key_file,
)

AGAIN = "python -m src.cli secrets rotate"


class Which(StrEnum):
    """The keys that a rotation is for."""

    ACCESS = "access"
    REFRESH = "refresh"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Change:
    """The keys of one kind before and after a rotation."""

    name: str
    setting: str
    kind: Kind
    before: Keys
    after: Keys

    @property
    def signed(self) -> str:
        return _signing(self.before, self.kind)

    @property
    def signs(self) -> str:
        return _signing(self.after, self.kind)

    @property
    def is_complete(self) -> bool:
        """Whether another key signs than before, and one of the algorithm that is wanted."""
        active = key_with(self.after, "active")
        wanted = active is not None and active.algorithm == self.kind.algorithm
        return wanted and self.signs != self.signed


def rotate(settings: Settings, which: Which, now: datetime) -> list[str]:
    """Take the next step with these keys. Returns what happened, and what to do next, as lines.

    Raises: `ConfigurationError` for an unusable file, `Refused` when it is too soon, or forbidden.
    """
    path = Path(settings.JWT_KEYS_FILE)
    try:
        with turn_at(path):
            before = read_key_file(path)
            after = _stepped(settings, before, which, now)
            write_key_file(path, after)
    except KeyFileError as error:
        raise ConfigurationError(f"JWT_KEYS_FILE: {error}") from error
    except TooSoon as error:
        seconds = int(error.wait.total_seconds()) + 1
        raise Refused(
            "The published key is too new: not everybody may know it. Nothing was changed. "
            f"Run this again in {seconds} seconds."
        ) from error
    except OSError as error:
        raise Refused(f"{path} cannot be written ({type(error).__name__}).") from error
    access, refresh = kinds_of(settings)
    changes = [
        Change("access", "JWT_SECRET_KEY", access, before.access, after.access),
        Change("refresh", "JWT_REFRESH_SECRET_KEY", refresh, before.refresh, after.refresh),
    ]
    told = [change for change in changes if which in (Which.BOTH, change.name)]
    return [*(line for change in told for line in _told(change)), *_next_steps(told, which, path)]


def _stepped(settings: Settings, before: KeyFile, which: Which, now: datetime) -> KeyFile:
    """The file after the step; keys of the other kind are neither changed nor waited for."""
    access, refresh = kinds_of(settings)
    asked = KeyFile(
        access=() if which is Which.REFRESH else before.access,
        refresh=() if which is Which.ACCESS else before.refresh,
    )
    after = rotated(asked, access=access, refresh=refresh, now=now)
    return KeyFile(
        access=before.access if which is Which.REFRESH else after.access,
        refresh=before.refresh if which is Which.ACCESS else after.refresh,
    )


def _told(change: Change) -> Iterator[str]:
    key = f"{change.name.capitalize()} key"
    was = {entry.kid: entry for entry in change.before}
    for entry in change.after:
        previous = was.pop(entry.kid, None)
        if entry.status == "active" and previous != entry:
            yield f"{key} {entry.kid} signs from now on."
        if entry.status == "retiring" and previous != entry:
            origin = f" ({change.setting})" if entry.environment else ""
            yield f"{key} {entry.kid}{origin} signs no more; it verifies until {_end(entry)}."
    if change.signs == change.signed:
        yield f"{key} {change.signs} goes on signing."
    published = key_with(change.after, "published")
    if published:
        yield f"{key} {published.kid} is published: servers verify with it and do not sign yet."
    for kid in was:
        yield f"{key} {kid} is gone: its last token has expired."


def _next_steps(changes: list[Change], which: Which, path: Path) -> Iterator[str]:
    option = "" if which is Which.BOTH else f" --kind {which}"
    yield f"Next: servers read {path} in a second, without a restart; copy it to other hosts."
    if all(change.is_complete for change in changes):
        yield "Leave the secrets in .env as they are: tokens that they signed are good to the end."
        yield f"At the next rotation run this once more: {AGAIN}{option}"
        return
    pairs = any(change.kind.algorithm != "HS256" for change in changes)
    wait = int((PUBLIC_LEARNT_AFTER if pairs else LEARNT_AFTER).total_seconds())
    yield f"In {wait} seconds or later let the published key sign: {AGAIN}{option}"


def _signing(keys: Keys, kind: Kind) -> str:
    active = key_with(keys, "active")
    return active.kid if active else kind.environment_kid


def _end(entry: KeyEntry) -> str:
    return f"{datetime.fromtimestamp(entry.not_after or 0, UTC):%Y-%m-%d %H:%M} UTC"
