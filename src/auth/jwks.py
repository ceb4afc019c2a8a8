"""The public keys of a Latchkey elsewhere, followed by a thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Final

from src.auth.access_tokens import TOKEN_TYPE
from src.auth.key_ring import KeyRing, PublicKey
from src.auth.polled_document import ANSWER_SECONDS, PolledDocument
from src.core.clock import Clock
from src.core.endpoints import check_endpoint, is_overheard

POLL_SECONDS: Final = 5.0
LEAST_SECONDS: Final = 2.0  # between two readings, whatever tokens come
MOST_BYTES: Final = 100_000
MOST_KEYS: Final = 32


class FollowedKeys:
    """A ring of the keys that a JWK Set names, read every five seconds."""

    def __init__(self, url: str, *, clock: Clock) -> None:
        """Raises: `ValueError` for what is neither https:// nor on this machine."""
        check_endpoint(url)
        if is_overheard(url):
            raise ValueError("must be https://, or on this machine")
        self.ring: KeyRing[PublicKey] = KeyRing(clock=clock)
        self._clock = clock
        self._document = PolledDocument[tuple[PublicKey, ...]](
            url, parse=_keys_of, first=(), most_bytes=MOST_BYTES
        )
        self._wanted = Event()

    @property
    def are_known(self) -> bool:
        """Whether the keys were read at least once."""
        return self._document.age is not None

    def want(self) -> None:
        """Read them earlier, for there is a token whose key is not among them. Never waits."""
        self._wanted.set()

    def read(self) -> bool:
        """Read them once; False when that failed, and the last ones stay."""
        was_read = self._document.read()
        self.ring.become(KeyRing(*self._document.value, clock=self._clock))
        return was_read

    @contextmanager
    def following(self) -> Iterator[None]:
        """Read them at once, and on in a thread for as long as the block runs."""
        stopped = Event()
        self.read()
        thread = Thread(target=self._follow, args=[stopped], name="public keys", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            self._wanted.set()
            thread.join(2 * ANSWER_SECONDS)

    def _follow(self, stopped: Event) -> None:
        while not stopped.wait(LEAST_SECONDS):
            self._wanted.wait(POLL_SECONDS - LEAST_SECONDS)
            self._wanted.clear()
            self.read()


def _keys_of(document: Any) -> tuple[PublicKey, ...]:  # noqa: ANN401 - JSON from outside
    """Those that can be access tokens' keys; others are passed over.

    Raises: KeyError, TypeError, ValueError for what is no JWK Set.
    """
    entries = document["keys"]
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise ValueError("no list of keys, or a very long one")
    return tuple(key for entry in entries if (key := _key_of(entry)))


def _key_of(entry: Any) -> PublicKey | None:  # noqa: ANN401 - JSON from outside
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    members = {name: value for name, value in entry.items() if isinstance(value, str)}
    try:
        return PublicKey(members, token_type=TOKEN_TYPE)
    except ValueError:
        return None
