"""The life of signing keys in their file: published, then active, then retiring, then gone.

Only commands write the file; servers read it (src/auth/keys.py). Step by step: docs/keys.md.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from pydantic import SecretStr

from src.auth.key_file import Algorithm, KeyEntry, KeyFile, key_with
from src.auth.key_ring import KeyPair, SigningKey
from src.auth.keys import environment_kid
from src.core.settings import Settings
from src.first_run.private_files import only_one_in, private_folder, write_private

SECRET_BYTES: Final = 48
RSA_BITS: Final = 3072  # 128 bits of security: NIST SP 800-57 part 1, table 2
# The clocks' leeway, and workers that have yet to read the file.
SLACK: Final = timedelta(minutes=1)
# Every worker reads the file twice a second; other services may keep the public keys for this long.
LEARNT_AFTER: Final = timedelta(seconds=10)
PUBLIC_LEARNT_AFTER: Final = timedelta(minutes=5)

Keys = tuple[KeyEntry, ...]


class TooSoon(Exception):  # noqa: N818 - a verdict, not a fault
    """The published key may be unknown to somebody still; `wait` says how long to."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"the published key is too new: wait {wait.total_seconds():.0f} seconds")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Kind:
    """What a rotation has to know of one kind of key."""

    algorithm: Algorithm  # of a new key
    longest_life: timedelta  # of what a key has signed
    environment_kid: str  # what signs while the file has no active key


def kinds_of(settings: Settings) -> tuple[Kind, Kind]:
    """Access and refresh keys. A session's whole chain stays under the key that it began with."""
    access = Kind(
        settings.JWT_ALGORITHM,
        settings.access_ttl,
        environment_kid(settings.JWT_SECRET_KEY),
    )
    refresh = Kind(
        "HS256",
        timedelta(days=settings.SESSION_ABSOLUTE_DAYS),
        environment_kid(settings.JWT_REFRESH_SECRET_KEY),
    )
    return access, refresh


def rotated(file: KeyFile, *, access: Kind, refresh: Kind, now: datetime) -> KeyFile:
    """The next state of both kinds, to be called as often as one likes.

    The published key becomes active, the active one retires and a new one is published. Where none
    was published yet, one is and nothing else changes.
    Raises: `TooSoon`.
    """
    return KeyFile(
        access=_next(file.access, access, now),
        refresh=_next(file.refresh, refresh, now),
    )


def publish(keys: Keys, algorithm: Algorithm, now: datetime) -> Keys:
    """With a new key that verifies and does not sign yet."""
    return (*keys, new_key(algorithm, now))


def activate(keys: Keys, kind: Kind, now: datetime) -> Keys:
    """With the published key signing and the one that signed until now retiring."""
    published = key_with(keys, "published")
    if published is None:
        return keys
    others = [key for key in retire(keys, kind, now) if key is not published]
    return (published.model_copy(update={"status": "active"}), *others)


def retire(keys: Keys, kind: Kind, now: datetime) -> Keys:
    """With what signs now verifying until its last token has expired, and nothing signing."""
    end = int((now + kind.longest_life + SLACK).timestamp())
    active = key_with(keys, "active")
    if active is not None:
        retiring = active.model_copy(update={"status": "retiring", "not_after": end})
        return tuple(retiring if key is active else key for key in keys)
    if any(key.environment and key.kid == kind.environment_kid for key in keys):
        return keys
    return (
        *keys,
        KeyEntry(
            kid=kind.environment_kid,
            algorithm="HS256",
            status="retiring",
            not_after=end,
            environment=True,
        ),
    )


def without_expired(keys: Keys, now: datetime) -> Keys:
    """That of the environment stays: were it not listed, it would verify for ever."""
    seconds = now.timestamp()
    return tuple(
        key for key in keys if key.environment or key.not_after is None or key.not_after > seconds
    )


def new_key(algorithm: Algorithm, now: datetime) -> KeyEntry:
    """A published key of new random material."""
    material = _MATERIAL[algorithm]()
    if algorithm == "HS256":
        kid = SigningKey(secret=material, token_type="").kid
    else:
        kid = KeyPair(private_key=material, algorithm=algorithm, token_type="").kid
    return KeyEntry(
        kid=kid,
        algorithm=algorithm,
        status="published",
        published_at=int(now.timestamp()),
        secret=SecretStr(material) if algorithm == "HS256" else None,
        private_key=None if algorithm == "HS256" else SecretStr(material),
    )


@contextmanager
def turn_at(path: Path) -> Iterator[None]:
    """Around reading and rewriting the file: two at once would each lose the other's key."""
    if not path.parent.exists():
        private_folder(path.parent)
    with only_one_in(path.resolve().parent):
        yield


def write_key_file(path: Path, file: KeyFile) -> None:
    """Replace the file in one step, readable by its owner alone. Its folder is there."""
    write_private(path.resolve(), file.model_dump_json(indent=2, exclude_none=True) + "\n")


def write_first_key(settings: Settings, now: datetime) -> bool:
    """Give a server that has never run the key pair that its algorithm needs; whether it lacked it.

    Nobody has to learn the key first: there is nobody else yet.
    """
    path = Path(settings.JWT_KEYS_FILE)
    if settings.JWT_ALGORITHM == "HS256" or path.exists():
        return False
    access, _ = kinds_of(settings)
    keys = activate(publish((), access.algorithm, now), access, now)
    with turn_at(path):
        if path.exists():
            return False
        write_key_file(path, KeyFile(access=keys))
    return True


def _next(keys: Keys, kind: Kind, now: datetime) -> Keys:
    keys = without_expired(keys, now)
    published = key_with(keys, "published")
    if published is not None:
        learnt_after = LEARNT_AFTER if published.algorithm == "HS256" else PUBLIC_LEARNT_AFTER
        wait = timedelta(seconds=published.published_at - now.timestamp()) + learnt_after
        if wait > timedelta():
            raise TooSoon(wait)
        keys = activate(keys, kind, now)
    return publish(keys, kind.algorithm, now)


def _pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


_MATERIAL: Final[dict[Algorithm, Callable[[], str]]] = {
    "HS256": lambda: secrets.token_urlsafe(SECRET_BYTES),
    "ES256": lambda: _pem(ec.generate_private_key(ec.SECP256R1())),
    "RS256": lambda: _pem(rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)),
}
