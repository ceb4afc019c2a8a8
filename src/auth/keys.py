"""The keys of this process: those of the settings and of the file, read again when it changes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from logging import ERROR, WARNING
from pathlib import Path
from typing import Final, TypeVar

from pydantic import SecretStr

from src.auth.access_tokens import TOKEN_TYPE as ACCESS_TYPE
from src.auth.access_tokens import AccessKey
from src.auth.key_file import (
    KeyEntry,
    KeyFileError,
    is_open_to_others,
    key_with,
    read_key_file,
)
from src.auth.key_ring import KeyPair, KeyRing, SigningKey
from src.auth.refresh_tokens import TOKEN_TYPE as REFRESH_TYPE
from src.core.clock import Clock, utc_now
from src.core.hang_up import on_hang_up
from src.core.logging import log_event
from src.core.settings import ConfigurationError, Settings

POLL_SECONDS: Final = 0.5
ROTATE: Final = "Run: python -m src.cli secrets rotate"

K = TypeVar("K", bound=AccessKey)

# What tells one state of the file from the next: modified at, size, inode. None when it is absent.
Stamp = tuple[int, int, int] | None


class Keys:
    """The ring of access keys and that of refresh keys. Both stay the same objects for ever."""

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        """Raises: `ConfigurationError` when the file cannot be used."""
        self._settings = settings
        self._clock = clock
        self._path = Path(settings.JWT_KEYS_FILE)
        self._stamp = _stamp(self._path)
        self._had_file = False
        self.access: KeyRing[AccessKey] = KeyRing(clock=clock)
        self.refresh: KeyRing[SigningKey] = KeyRing(clock=clock)
        try:
            self._read()
        except KeyFileError as error:
            raise ConfigurationError(f"JWT_KEYS_FILE: {error}") from error

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Read the file again after each change of it and on SIGHUP, while the block runs."""
        hung_up = asyncio.Event()
        task = asyncio.create_task(self._follow(hung_up))
        try:
            with on_hang_up(hung_up.set):
                yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _follow(self, hung_up: asyncio.Event) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await hung_up.wait()
            except TimeoutError:
                await asyncio.to_thread(self.reload)
            else:
                hung_up.clear()
                await asyncio.to_thread(self.reload, even_unchanged=True)

    def reload(self, *, even_unchanged: bool = False) -> None:
        """Take the file's keys if it has changed; what cannot be used changes nothing."""
        stamp = _stamp(self._path)
        if stamp == self._stamp and not even_unchanged:
            return
        self._stamp = stamp
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the old keys stay
            cause = str(error) if isinstance(error, KeyFileError) else type(error).__name__
            log_event("keys-not-reloaded", level=ERROR, cause=cause)
        else:
            log_event(
                "keys-reloaded", access=self.access.active.kid, refresh=self.refresh.active.kid
            )

    def _read(self) -> None:
        """Raises: `KeyFileError`; then nothing has changed."""
        if self._stamp is not None:
            self._demand_privacy()
        elif self._had_file:  # its keys have signed tokens
            raise KeyFileError(f"{self._path} is gone")
        file, settings = read_key_file(self._path), self._settings
        access = _keys(file.access, settings.JWT_SECRET_KEY, ACCESS_TYPE, _access_key)
        refresh = _keys(file.refresh, settings.JWT_REFRESH_SECRET_KEY, REFRESH_TYPE, _refresh_key)
        if {key.kid for key in access} & {key.kid for key in refresh}:
            raise KeyFileError("one secret serves both kinds of token")
        if settings.JWT_ALGORITHM not in ("HS256", access[0].algorithm):
            raise KeyFileError(
                f"JWT_ALGORITHM is {settings.JWT_ALGORITHM}, and no such key is active in "
                f"{self._path}. {ROTATE}, once to publish a key and again to activate it",
            )
        self.access.become(KeyRing(*access))
        self.refresh.become(KeyRing(*refresh))
        self._had_file = self._stamp is not None

    def _demand_privacy(self) -> None:
        try:
            is_open = is_open_to_others(self._path)
        except OSError as error:
            raise KeyFileError(f"{self._path} cannot be read ({type(error).__name__})") from error
        if is_open and self._settings.is_production:
            raise KeyFileError(f"{self._path} is open to others. Run: chmod 600 {self._path}")
        if is_open:
            log_event("keys-open-to-others", level=WARNING, file=str(self._path))


def environment_kid(secret: SecretStr) -> str:
    """What the key that a setting holds is called."""
    return SigningKey(secret=secret.get_secret_value(), token_type="").kid


def _keys(
    entries: Sequence[KeyEntry],
    secret: SecretStr,
    token_type: str,
    build: Callable[[KeyEntry], K],
) -> list[K | SigningKey]:
    """The keys of one kind, the active one first: the file's, or else the environment's."""
    own = environment_kid(secret)
    listed = next((key for key in entries if key.environment and key.kid == own), None)
    of_environment = SigningKey(
        secret=secret.get_secret_value(),
        token_type=token_type,
        not_after=listed.not_after if listed else None,
    )
    active = key_with(entries, "active")
    if listed and not active:
        raise KeyFileError(f"no key is active for {token_type}")
    others = [key for key in entries if key is not active and not key.environment]
    if active:
        return [_built(active, build), *(_built(key, build) for key in others), of_environment]
    return [of_environment, *(_built(key, build) for key in others)]


def _built(entry: KeyEntry, build: Callable[[KeyEntry], K]) -> K:
    try:
        key = build(entry)
    except ValueError as error:
        raise KeyFileError(f"key {entry.kid} {error}") from None
    if key.kid != entry.kid:
        raise KeyFileError(f"key {entry.kid} is not what its kid says: that would be {key.kid}")
    return key


def _access_key(entry: KeyEntry) -> AccessKey:
    if entry.private_key is None:
        return _hmac_key(entry, ACCESS_TYPE)
    return KeyPair(
        private_key=entry.private_key.get_secret_value(),
        algorithm=entry.algorithm,
        token_type=ACCESS_TYPE,
        not_after=entry.not_after,
    )


def _refresh_key(entry: KeyEntry) -> SigningKey:
    return _hmac_key(entry, REFRESH_TYPE)


def _hmac_key(entry: KeyEntry, token_type: str) -> SigningKey:
    secret = entry.secret.get_secret_value() if entry.secret else ""
    return SigningKey(secret=secret, token_type=token_type, not_after=entry.not_after)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return (0, 0, 0)  # there is something: reading it will tell what is wrong
    return (found.st_mtime_ns, found.st_size, found.st_ino)
