"""Signing keys, built once, and the only home of python-jose.

What a token's header says is never interpreted: it must equal, to the byte, the header that one of
our own keys writes. So `alg`, `kid`, `crit`, `jwk` or `zip` from outside have no effect.
"""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from jose import jwk, jws
from jose.backends.base import Key

MAX_TOKEN_CHARACTERS: Final = 2048
HMAC_SHA256_CHARACTERS: Final = 43

# Three base64url segments, the last a canonical 32-byte value: its last character
# carries four bits, so only these sixteen spellings have no stray ones.
_COMPACT_JWS = re.compile(
    r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]",
)

Claims = dict[str, Any]


class TokenRejected(Exception):  # noqa: N818 - a verdict, not a fault
    """A token that is not (or no longer) acceptable; the message says why, for the log alone."""


class SigningKey:
    """One HS256 key (RFC 7518 §3.2) for one kind of token."""

    algorithm: Final = "HS256"

    def __init__(self, *, secret: str, token_type: str) -> None:
        self._key: Key = jwk.construct(secret, self.algorithm)
        self._secret = secret.encode()
        # Derived from the secret, so that every worker agrees on it and a new secret has another.
        self.kid = base64url(self.derive(b"latchkey-kid-v1")[:6])
        self._headers = {"typ": token_type, "kid": self.kid}
        self.header_segment = self.sign({}).partition(".")[0]

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes that are bound to this key and to one purpose."""
        return hmac.digest(self._secret, purpose, hashlib.sha256)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWS in compact form (RFC 7515 §7.1). Equal claims give equal bytes."""
        signed: str = jws.sign(claims, self._key, headers=self._headers, algorithm=self.algorithm)
        return signed

    def verify(self, presented: str) -> Claims:
        document: bytes = jws.verify(presented, self._key, [self.algorithm])
        claims = json.loads(document.decode())  # UTF-8 alone; given bytes, it would guess
        if not isinstance(claims, dict):
            raise TokenRejected("claims are no object")
        return claims


class KeyRing:
    """The keys of one kind of token: one signs, every one of them verifies."""

    def __init__(self, active: SigningKey, *retiring: SigningKey) -> None:
        self.active = active
        self._by_header = {key.header_segment: key for key in (active, *retiring)}

    def verify(self, presented: str) -> tuple[Claims, SigningKey]:
        """The claims of a token that one of our keys signed, and that key.

        Claims are not looked at. Raises: `TokenRejected`. Source: RFC 7515 §5.2, RFC 8725 §3.
        """
        if len(presented) > MAX_TOKEN_CHARACTERS:
            raise TokenRejected("too long")
        match = _COMPACT_JWS.fullmatch(presented)
        if match is None:
            raise TokenRejected("not a compact JWS with one canonical signature")
        key = self._by_header.get(match[1])
        if key is None:
            raise TokenRejected("not a header that we write")
        try:
            return key.verify(presented), key
        except TokenRejected:
            raise
        except Exception as error:  # python-jose lets a dozen kinds of exception escape
            raise TokenRejected(f"signature: {type(error).__name__}") from error


def base64url(raw: bytes) -> str:
    """Unpadded base64url (RFC 7515 §2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def required(claims: Claims, name: str, kind: type) -> Any:  # noqa: ANN401 - the caller names the type
    """A claim that must be there, of exactly this type: True is no integer.

    Raises: `TokenRejected`.
    """
    value = claims.get(name)
    if type(value) is not kind:
        raise TokenRejected(f"{name} is missing or not {kind.__name__}")
    return value


def require_equal(claims: Claims, expected: Mapping[str, str]) -> None:
    """Raises: `TokenRejected` unless each of these claims has exactly this text."""
    for name, value in expected.items():
        if claims.get(name) != value:
            raise TokenRejected(f"{name} is not ours")
