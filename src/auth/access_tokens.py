"""Access tokens: short-lived JWTs that say who asks (RFC 9068's `at+jwt`)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from src.auth.key_ring import (
    Claims,
    KeyPair,
    KeyRing,
    SigningKey,
    TokenRejected,
    VerifyingKey,
    require_equal,
    required,
)
from src.core.clock import Clock

TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - a media type
LEEWAY_SECONDS: Final = 10

AccessKey = SigningKey | KeyPair


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says. Times are aware, in UTC."""

    user_id: UUID
    session_id: str
    jti: str
    roles: Sequence[str]
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature and form are good; times in seconds since the epoch."""

    key: VerifyingKey
    issued: int
    expires: int
    claims: AccessClaims


@dataclass(frozen=True, slots=True)
class MintedAccessToken:
    text: str
    expires_in: int  # seconds


class AccessTokenVerifier:
    """Verifies access tokens. No I/O.

    A client shows the same token for as long as it lives, so what its signature and its form proved
    is remembered; its key and its times are judged again each time. Junk is never remembered.
    """

    MOST_REMEMBERED: Final = 5_000  # about 1.5 kB each

    def __init__(
        self,
        ring: KeyRing[VerifyingKey],
        *,
        issuer: str,
        audience: str,
        ttl: timedelta,
        clock: Clock,
    ) -> None:
        self._verifying = ring
        self._fixed = {"iss": issuer, "aud": audience, "type": "access"}
        self._ttl_seconds = int(ttl.total_seconds())
        self._clock = clock
        self._remembered: dict[bytes, _Verified] = {}  # by the token's SHA-256, not the token

    def verify(self, presented: str) -> AccessClaims:
        """The claims of a valid access token.

        Raises: `TokenRejected` for anything else. Source: RFC 9068 §4, RFC 8725 §3.
        """
        digest = sha256(presented.encode(errors="surrogatepass")).digest()
        known = self._remembered.get(digest)
        if known is not None and self._verifying.holds(known.key):
            self._check_times(known.issued, known.expires)
            return known.claims
        verified = self._verified(presented)
        if len(self._remembered) >= self.MOST_REMEMBERED:
            self._remembered = {}  # one step: other services verify in several threads
        self._remembered[digest] = verified
        return verified.claims

    def _verified(self, presented: str) -> _Verified:
        claims, key = self._verifying.verify(presented)
        require_equal(claims, self._fixed)
        issued: int = required(claims, "iat", int)
        expires: int = required(claims, "exp", int)
        self._check_times(issued, expires)
        if not 0 <= expires - issued <= self._ttl_seconds:
            raise TokenRejected("lives too long")
        about = AccessClaims(
            user_id=subject(claims),
            session_id=_text(claims, "sid"),
            jti=_text(claims, "jti"),
            roles=_roles(claims),
            issued_at=datetime.fromtimestamp(issued, UTC),
            expires_at=datetime.fromtimestamp(expires, UTC),
        )
        return _Verified(key, issued, expires, about)

    def _check_times(self, issued: int, expires: int) -> None:
        now = self._clock().timestamp()
        if expires <= now - LEEWAY_SECONDS:
            raise TokenRejected("expired")
        if issued > now + LEEWAY_SECONDS:
            raise TokenRejected("issued in the future")


class AccessTokens(AccessTokenVerifier):
    """Mints and verifies access tokens. No I/O."""

    def __init__(
        self,
        ring: KeyRing[AccessKey],
        *,
        issuer: str,
        audience: str,
        ttl: timedelta,
        clock: Clock,
    ) -> None:
        super().__init__(ring, issuer=issuer, audience=audience, ttl=ttl, clock=clock)
        self._signing = ring

    def mint(
        self,
        *,
        user_id: UUID,
        session_id: str,
        roles: Sequence[str],
        not_after: datetime,
    ) -> MintedAccessToken:
        """A fresh access token that outlives neither its own lifetime nor its session."""
        now = int(self._clock().timestamp())
        expires = min(now + self._ttl_seconds, int(not_after.timestamp()))
        text = self._signing.active.sign(
            {
                **self._fixed,
                "sub": str(user_id),
                "sid": session_id,
                "jti": secrets.token_urlsafe(16),
                "roles": list(roles),
                "iat": now,
                "exp": expires,
            },
        )
        return MintedAccessToken(text=text, expires_in=max(0, expires - now))


def subject(claims: Claims) -> UUID:
    """The user's id from `sub`, in its canonical spelling. Raises: `TokenRejected`."""
    text: str = required(claims, "sub", str)
    try:
        user_id = UUID(text)
    except ValueError as error:
        raise TokenRejected("sub is no user id") from error
    if str(user_id) != text:
        raise TokenRejected("sub is not in canonical form")
    return user_id


def _text(claims: Claims, name: str) -> str:
    value: str = required(claims, name, str)
    if not value:
        raise TokenRejected(f"{name} is empty")
    return value


def _roles(claims: Claims) -> tuple[str, ...]:
    roles: list[object] = required(claims, "roles", list)
    if not all(isinstance(role, str) for role in roles):
        raise TokenRejected("roles are not texts")
    return tuple(str(role) for role in roles)
