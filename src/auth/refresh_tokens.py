"""Refresh tokens: a signed envelope around one link of a deterministic chain.

Every token has exactly one possible successor, computed from the token itself and the signing key:

    jti(n+1) = HMAC-SHA256(Kn, sid | n+1 | jti(n))[:16]      Kn = HMAC(secret, "rt-next-v1")
    h(jti)   = SHA-256("rt-id-v1" | sid | jti)[:16]           all that Redis ever holds

So racing tabs, retries and lost answers converge on the same successor, and a copy of Redis forges
nothing. Why: docs/adr/0002-rotation-and-grace.md.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final
from uuid import UUID

from src.auth.access_tokens import LEEWAY_SECONDS, subject
from src.auth.key_ring import (
    Claims,
    KeyRing,
    SigningKey,
    TokenRejected,
    base64url,
    hmac_sha256,
    require_equal,
    required,
)
from src.core.clock import Clock

TOKEN_TYPE: Final = "rt+jwt"  # noqa: S105 - a media type
ID_BYTES: Final = 16
# What only has to be unique, or is compared once, is shorter: Redis keeps it for every session.
SESSION_ID_BYTES: Final = 12
KEY_HASH_BYTES: Final = 8
MAX_GENERATION: Final = 2**53  # Lua counts in doubles

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{16}")
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_PARENT = re.compile(r"([A-Za-z0-9_-]{22})?")


@dataclass(frozen=True)
class Link:
    """One place in a session's chain. `parent_hash` is "" at generation 0."""

    user_id: UUID
    session_id: str
    generation: int
    jti: str
    parent_hash: str

    @cached_property
    def jti_hash(self) -> str:
        """h(jti), 22 characters: what Redis compares."""
        return base64url(_sha256(f"rt-id-v1|{self.session_id}|{self.jti}")[:ID_BYTES])


@dataclass(frozen=True, slots=True)
class PresentedRefreshToken:
    """A refresh token that we signed, and its only possible successor."""

    link: Link
    successor: Link
    key: SigningKey


class RefreshTokens:
    """Encodes and parses refresh tokens. No I/O; whether a token is current only Redis knows."""

    def __init__(
        self,
        ring: KeyRing[SigningKey],
        *,
        issuer: str,
        audience: str,
        clock: Clock,
    ) -> None:
        self._ring = ring
        self._fixed = {"iss": issuer, "aud": f"{audience}/refresh", "type": "refresh"}
        self._clock = clock

    @property
    def active_key(self) -> SigningKey:
        return self._ring.active

    def encode(
        self,
        link: Link,
        *,
        key: SigningKey,
        issued_at: datetime,
        expires_at: datetime,
    ) -> str:
        """The token for a link. The same link and times give the same bytes."""
        return key.sign(
            {
                **self._fixed,
                "sub": str(link.user_id),
                "sid": link.session_id,
                "jti": link.jti,
                "gen": link.generation,
                "pth": link.parent_hash,
                "iat": int(issued_at.timestamp()),
                "exp": int(expires_at.timestamp()),
            },
        )

    def parse(self, presented: str, *, allow_expired: bool = False) -> PresentedRefreshToken:
        """A token of ours, whatever its place in its session's history.

        `iat` in the future is accepted: Redis's clock wrote it, and Redis judges its age.
        Raises: `TokenRejected`.
        """
        claims, key = self._ring.verify(presented)
        require_equal(claims, self._fixed)
        required(claims, "iat", int)
        expires: int = required(claims, "exp", int)
        if not allow_expired and expires <= self._clock().timestamp() - LEEWAY_SECONDS:
            raise TokenRejected("expired")
        link = _link(claims)
        return PresentedRefreshToken(link=link, successor=_successor(link, key), key=key)


def first_link(*, user_id: UUID) -> Link:
    """Generation 0 of a new session: random session id, random jti."""
    return Link(
        user_id=user_id,
        session_id=secrets.token_urlsafe(SESSION_ID_BYTES),
        generation=0,
        jti=secrets.token_urlsafe(ID_BYTES),
        parent_hash="",
    )


def idempotency_key_hash(key: str) -> str:
    """What Redis keeps of a client's Idempotency-Key, 11 characters.

    Short is enough: whoever presents a spent token with another key has ended the session.
    """
    return base64url(_sha256(f"rt-key-v1|{key}")[:KEY_HASH_BYTES])


def _successor(link: Link, key: SigningKey) -> Link:
    generation = link.generation + 1
    message = f"{link.session_id}|{generation}|{link.jti}".encode()
    jti = hmac_sha256(key.derive(b"rt-next-v1"), message)[:ID_BYTES]
    return Link(
        user_id=link.user_id,
        session_id=link.session_id,
        generation=generation,
        jti=base64url(jti),
        parent_hash=link.jti_hash,
    )


def _link(claims: Claims) -> Link:
    generation: int = required(claims, "gen", int)
    if not 0 <= generation < MAX_GENERATION:
        raise TokenRejected("gen is out of range")
    return Link(
        user_id=subject(claims),
        session_id=_matching(claims, "sid", _SESSION_ID),
        generation=generation,
        jti=_matching(claims, "jti", _ID),
        parent_hash=_matching(claims, "pth", _PARENT),
    )


def _matching(claims: Claims, name: str, pattern: re.Pattern[str]) -> str:
    value: str = required(claims, name, str)
    if not pattern.fullmatch(value):
        raise TokenRejected(f"{name} is malformed")
    return value


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def from_milliseconds(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
