"""For other services: verify Latchkey's access tokens by yourself, revoked ones included.

Nothing here needs a web framework, a database or Redis: beside the standard library this module,
`src/auth/access_tokens.py`, `src/auth/key_ring.py` and `src/core/clock.py` use python-jose alone.
How to use it: docs/verifying-tokens.md.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import Any, Final, Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from src.auth.access_tokens import TOKEN_TYPE, AccessClaims, AccessTokens
from src.auth.key_ring import KeyRing, SigningKey, TokenRejected
from src.core.clock import Clock, utc_now

POLL_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 2.0
MOST_BYTES: Final = 16_000_000  # about 300,000 revoked sessions
NOT_MODIFIED: Final = 304


class RevocationsUnknown(Exception):  # noqa: N818 - a verdict on what is known, not on a token
    """The list of revocations is older than the service allows: answer 503, not 401."""


@dataclass(frozen=True, slots=True)
class _Revoked:
    """One answer of `GET /auth/revocations`. Never changed, so that threads may share it."""

    sessions: frozenset[str] = frozenset()
    not_before: Mapping[str, int] = field(default_factory=dict)  # user id → seconds since the epoch
    etag: str | None = None

    def refuses(self, claims: AccessClaims) -> bool:
        not_before = self.not_before.get(str(claims.user_id), 0)
        return claims.session_id in self.sessions or claims.issued_at.timestamp() < not_before


class LatchkeyVerifier:
    """Verifies access tokens with the shared secret and follows the list of revocations.

    `max_staleness` is how old the list may get while Latchkey cannot be reached; what then happens
    is `when_stale`: "refuse" every token, or "accept" those that are valid but for the unknown.
    The last list that was read counts in both cases. `max_lifetime` is the longest that a token may
    live; Latchkey allows no more than an hour.
    """

    def __init__(  # keyword-only, so that a JWKS can take the secret's place one day
        self,
        *,
        secret: str,
        revocations_url: str,
        issuer: str = "latchkey",
        audience: str = "latchkey-api",
        max_lifetime: timedelta = timedelta(hours=1),
        max_staleness: timedelta = timedelta(minutes=1),
        when_stale: Literal["refuse", "accept"] = "refuse",
        clock: Clock = utc_now,
    ) -> None:
        if not revocations_url.startswith(("http://", "https://")):
            raise ValueError("revocations_url must start with http:// or https://")
        self._tokens = AccessTokens(
            KeyRing(SigningKey(secret=secret, token_type=TOKEN_TYPE)),
            issuer=issuer,
            audience=audience,
            ttl=max_lifetime,
            clock=clock,
        )
        self._url = revocations_url
        self._max_staleness = max_staleness
        self._refuse_when_stale = when_stale == "refuse"
        self._revoked = _Revoked()
        self._confirmed_at = -math.inf

    @property
    def stale_for(self) -> float:
        """Seconds since the list was last known to be complete; infinite before the first time."""
        return time.monotonic() - self._confirmed_at

    def verify(self, access_token: str) -> AccessClaims:
        """The claims of a valid access token that was not revoked. No I/O.

        Raises: `TokenRejected` (answer 401), `RevocationsUnknown` (answer 503).
        """
        claims = self._tokens.verify(access_token)
        if self._revoked.refuses(claims):
            raise TokenRejected("revoked")
        if self._refuse_when_stale and self.stale_for > self._max_staleness.total_seconds():
            raise RevocationsUnknown("the list of revocations could not be read for too long")
        return claims

    @contextmanager
    def follow(self) -> Iterator[None]:
        """Read the list at once and then every second, in a thread, for as long as the block runs.

        The block starts even when the first reading failed: `stale_for` says so.
        """
        stopped = Event()
        self.poll()
        thread = Thread(target=self._poll_until, args=[stopped], name="revocations", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(2 * ANSWER_SECONDS)

    def poll(self) -> bool:
        """Read the list once; False when it could not be read, and the last one stays."""
        asked_at = time.monotonic()
        try:
            self._revoked = self._read()
        except Exception:  # noqa: BLE001 - whatever is wrong with an answer, the thread must go on
            return False
        self._confirmed_at = asked_at
        return True

    def _poll_until(self, stopped: Event) -> None:
        while not stopped.wait(POLL_SECONDS):
            self.poll()

    def _read(self) -> _Revoked:
        """Raises: OSError, ValueError, KeyError and what else http.client has."""
        known = self._revoked
        headers = {"If-None-Match": known.etag} if known.etag else {}
        try:
            request = Request(self._url, headers=headers)  # noqa: S310 - the scheme was checked
            with urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
                body = answer.read(MOST_BYTES + 1)
                etag = answer.headers.get("ETag")
        except HTTPError as error:
            with error:
                if error.code == NOT_MODIFIED:
                    return known
            raise
        if len(body) > MOST_BYTES:
            raise ValueError("the list of revocations is too large")
        return _parsed(json.loads(body), etag)


def _parsed(document: Any, etag: str | None) -> _Revoked:  # noqa: ANN401 - JSON from outside
    """Raises: KeyError, ValueError, AttributeError for what is no list of revocations."""
    users = {str(user_id): int(seconds) for user_id, seconds in document["users"].items()}
    return _Revoked(frozenset(document["sessions"]), users, etag)
