"""For other services: verify Latchkey's access tokens by yourself, revoked ones included.

Nothing here needs a web framework, a database or Redis: beside the standard library this module and
those that it imports use python-jose alone. How to use it: docs/verifying-tokens.md.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import Any, Final, Literal

from src.auth.access_tokens import TOKEN_TYPE, AccessClaims, AccessTokenVerifier
from src.auth.jwks import FollowedKeys
from src.auth.key_ring import KeyRing, SigningKey, TokenRejected, UnknownKey
from src.auth.polled_document import ANSWER_SECONDS, PolledDocument
from src.core.clock import Clock, utc_now

POLL_SECONDS: Final = 1.0
MOST_BYTES: Final = 16_000_000  # about 300,000 revoked sessions


class Unverifiable(Exception):  # noqa: N818 - a verdict on what is known, not on a token
    """What a verdict needs is not known: answer 503, not 401."""


class RevocationsUnknown(Unverifiable):
    """The list of revocations is older than the service allows."""


class KeysUnknown(Unverifiable):
    """The public keys could not be read yet."""


@dataclass(frozen=True, slots=True)
class _Revoked:
    """One answer of `GET /auth/revocations`. Never changed, so that threads may share it."""

    sessions: frozenset[str] = frozenset()
    not_before: Mapping[str, int] = field(default_factory=dict)  # user id → seconds since the epoch

    def refuses(self, claims: AccessClaims) -> bool:
        not_before = self.not_before.get(str(claims.user_id), 0)
        return claims.session_id in self.sessions or claims.issued_at.timestamp() < not_before


class LatchkeyVerifier:
    """Verifies access tokens and follows the list of revocations.

    Keys are the shared `secret` (HS256), or several while one takes another's place; or those that
    `jwks_url` names (ES256, RS256). `max_staleness` is how old the list may get while Latchkey
    cannot be reached; what then happens is `when_stale`: "refuse" every token, or "accept" those
    that are valid but for the unknown. The last list that was read counts in both cases.
    `max_lifetime` is the longest that a token may live; Latchkey allows no more than an hour.
    """

    def __init__(
        self,
        *,
        secret: str | Sequence[str] | None = None,
        jwks_url: str | None = None,
        revocations_url: str,
        issuer: str = "latchkey",
        audience: str = "latchkey-api",
        max_lifetime: timedelta = timedelta(hours=1),
        max_staleness: timedelta = timedelta(minutes=1),
        when_stale: Literal["refuse", "accept"] = "refuse",
        clock: Clock = utc_now,
    ) -> None:
        """Raises: `ValueError` for an address that will not do, or without one source of keys."""
        if (secret is None) == (jwks_url is None):
            raise ValueError("give either secret or jwks_url")
        self._keys = FollowedKeys(jwks_url, clock=clock) if jwks_url is not None else None
        self._tokens = AccessTokenVerifier(
            self._keys.ring if self._keys else _ring_of(secret or (), clock),
            issuer=issuer,
            audience=audience,
            ttl=max_lifetime,
            clock=clock,
        )
        self._list = PolledDocument(
            revocations_url, parse=_revoked_of, first=_Revoked(), most_bytes=MOST_BYTES
        )
        self._max_staleness = max_staleness
        self._refuse_when_stale = when_stale == "refuse"

    @property
    def stale_for(self) -> float:
        """Seconds since the list was last known to be complete; infinite before the first time."""
        age = self._list.age
        return math.inf if age is None else age

    def verify(self, access_token: str) -> AccessClaims:
        """The claims of a valid access token that was not revoked. No I/O.

        Raises: `TokenRejected` (answer 401), `Unverifiable` (answer 503).
        """
        try:
            claims = self._tokens.verify(access_token)
        except UnknownKey as verdict:
            self._look_for_new_keys(verdict)
            raise
        if self._list.value.refuses(claims):
            raise TokenRejected("revoked")
        if self._refuse_when_stale and self.stale_for > self._max_staleness.total_seconds():
            raise RevocationsUnknown("the list of revocations could not be read for too long")
        return claims

    def _look_for_new_keys(self, verdict: UnknownKey) -> None:
        if self._keys is None:
            return
        self._keys.want()
        if not self._keys.are_known:
            raise KeysUnknown("the public keys could not be read yet") from verdict

    @contextmanager
    def follow(self) -> Iterator[None]:
        """Read list and keys at once and then on, in threads, for as long as the block runs.

        The block starts even when the first reading failed: `stale_for` says so.
        """
        with ExitStack() as stack:
            if self._keys:
                stack.enter_context(self._keys.following())
            stopped = Event()
            self.poll()
            thread = Thread(
                target=self._poll_until, args=[stopped], name="revocations", daemon=True
            )
            thread.start()
            try:
                yield
            finally:
                stopped.set()
                thread.join(2 * ANSWER_SECONDS)

    def poll(self) -> bool:
        """Read the list once; False when it could not be read, and the last one stays."""
        return self._list.read()

    def _poll_until(self, stopped: Event) -> None:
        while not stopped.wait(POLL_SECONDS):
            self.poll()


def _ring_of(secret: str | Sequence[str], clock: Clock) -> KeyRing[SigningKey]:
    several = [secret] if isinstance(secret, str) else secret
    keys = (SigningKey(secret=each, token_type=TOKEN_TYPE) for each in several)
    return KeyRing(*keys, clock=clock)


def _revoked_of(document: Any) -> _Revoked:  # noqa: ANN401 - JSON from outside
    """Raises: KeyError, ValueError, AttributeError for what is no list of revocations."""
    users = {str(user_id): int(seconds) for user_id, seconds in document["users"].items()}
    return _Revoked(frozenset(document["sessions"]), users)
