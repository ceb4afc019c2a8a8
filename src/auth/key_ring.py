"""Keys that sign and verify, built once, and the only home of python-jose.

What a token's header says is never interpreted: it must equal, to the byte, the header that one of
our own keys writes. So `alg`, `kid`, `crit`, `jwk` or `zip` from outside have no effect.
"""

import hashlib
import hmac
import json
import re
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic, Self, TypeVar

from jose import jwk
from jose.backends.base import Key
from jose.backends.native import HMACKey
from jose.utils import base64url_decode

from src.core.clock import Clock, utc_now

MAX_TOKEN_CHARACTERS: Final = 2048
HMAC_SHA256_BYTES: Final = 32
P256_BYTES: Final = 64  # r and s (RFC 7518 §3.4)
RSA_BITS: Final = range(2048, 4097)  # RFC 7518 §3.3; with more, a token would become too long

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_COMPACT_JSON = json.JSONEncoder(separators=(",", ":"))
_COMPACT_JWS = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)")
# The last character of base64url without stray bits, by the number of bytes modulo 3.
_LAST_CHARACTER: Final = ("[A-Za-z0-9_-]", "[AQgw]", "[AEIMQUYcgkosw048]")
_PUBLIC_MEMBERS: Final = {"ES256": ("kty", "crv", "x", "y"), "RS256": ("kty", "n", "e")}

Claims = dict[str, Any]
Jwk = dict[str, str]


class TokenRejected(Exception):  # noqa: N818 - a verdict, not a fault
    """A token that is not (or no longer) acceptable; the message says why, for the log alone."""


class UnknownKey(TokenRejected):
    """A token whose header none of our keys writes, or only one whose time is over."""


class VerifyingKey:
    """A key for one kind of token: the one header it goes with, and the check of a signature.

    `not_after` is when it ceases to verify, in seconds since the epoch.
    """

    def __init__(
        self,
        key: Key,
        *,
        algorithm: str,
        kid: str,
        token_type: str,
        signature_bytes: int,
        not_after: int | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.not_after = not_after
        self._verifier = key
        header = {"alg": algorithm, "kid": kid, "typ": token_type}
        self.header_segment = base64url(_COMPACT_JSON.encode(header).encode())
        self._signature = _canonical(signature_bytes)

    def is_over(self, now: float) -> bool:
        return self.not_after is not None and now >= self.not_after

    def verify(self, presented: str, signature: str) -> Claims:
        """Raises: `TokenRejected`, and what python-jose lets escape."""
        if not self._signature.fullmatch(signature):
            raise TokenRejected("not the one spelling of a signature")
        # Not `jws.verify`, which decodes the header and looks for a key to it: this is the header's
        # one key, made for one algorithm.
        signed, _, _ = presented.rpartition(".")
        if not self._verifier.verify(signed.encode(), base64url_decode(signature.encode())):
            raise TokenRejected("signature does not match")
        document = base64url_decode(signed.partition(".")[2].encode())
        claims = json.loads(document.decode())  # UTF-8 alone; given bytes, it would guess
        if not isinstance(claims, dict):
            raise TokenRejected("claims are no object")
        return claims


class SigningKey(VerifyingKey):
    """An HS256 key (RFC 7518 §3.2): whoever verifies with it can sign as well."""

    def __init__(self, *, secret: str, token_type: str, not_after: int | None = None) -> None:
        self._secret = secret.encode()
        self._derived: dict[bytes, bytes] = {}
        # Not `jwk.construct`: the key of its choice asks OpenSSL for the algorithm each time, which
        # takes longer than the HMAC of a token.
        self._key: Key = HMACKey(secret, "HS256")
        super().__init__(
            self._key,
            algorithm="HS256",
            # Derived from the secret, so that every worker agrees on it and a new one has another.
            kid=base64url(self.derive(b"latchkey-kid-v1")[:6]),
            token_type=token_type,
            signature_bytes=HMAC_SHA256_BYTES,
            not_after=not_after,
        )

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes that are bound to this key and to one purpose, of which there are few."""
        if purpose not in self._derived:
            self._derived[purpose] = hmac_sha256(self._secret, purpose)
        return self._derived[purpose]

    def sign(self, claims: Claims) -> str:
        """A JWS in compact form (RFC 7515 §7.1). Equal claims give equal bytes."""
        return _signed(self.header_segment, claims, self._key)


class PublicKey(VerifyingKey):
    """The public half of an ES256 or RS256 key (RFC 7518 §3.3, §3.4), as a JWK names it."""

    def __init__(self, public_jwk: Jwk, *, token_type: str, not_after: int | None = None) -> None:
        """Raises: `ValueError` for what is no such key, or a weak one."""
        algorithm = public_jwk.get("alg", "")
        members = {name: public_jwk.get(name, "") for name in _PUBLIC_MEMBERS.get(algorithm, ())}
        key, normal = _built(members, algorithm)
        super().__init__(
            key,
            algorithm=algorithm,
            kid=public_jwk.get("kid") or thumbprint(normal),
            token_type=token_type,
            signature_bytes=_signature_bytes(normal),
            not_after=not_after,
        )
        self.public_jwk: Jwk = {**normal, "alg": algorithm, "kid": self.kid, "use": "sig"}


class KeyPair(PublicKey):
    """An ES256 or RS256 key that signs; `kid` is its thumbprint."""

    def __init__(
        self,
        *,
        private_key: str,
        algorithm: str,
        token_type: str,
        not_after: int | None = None,
    ) -> None:
        """Takes the private key as PEM. Raises: `ValueError`."""
        self._key, public = _built(private_key, algorithm)
        if self._key.is_public():
            raise ValueError("is a public key, which cannot sign")
        super().__init__({**public, "alg": algorithm}, token_type=token_type, not_after=not_after)

    def sign(self, claims: Claims) -> str:
        """A JWS in compact form (RFC 7515 §7.1)."""
        return _signed(self.header_segment, claims, self._key)


AnyKey_co = TypeVar("AnyKey_co", bound=VerifyingKey, covariant=True)


class KeyRing(Generic[AnyKey_co]):
    """The keys of one kind of token: the first signs, every one verifies until its time is over."""

    def __init__(self, *keys: AnyKey_co, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._by_header = {key.header_segment: key for key in keys}

    @property
    def active(self) -> AnyKey_co:
        return next(iter(self._by_header.values()))

    @property
    def unexpired(self) -> list[AnyKey_co]:
        now = self._clock().timestamp()
        return [key for key in self._by_header.values() if not key.is_over(now)]

    def become(self, other: Self) -> None:
        """Take another ring's keys: at once for every thread, since one attribute is all it is."""
        self._by_header = other._by_header

    def holds(self, key: VerifyingKey) -> bool:
        """Whether a key that verified a token still does."""
        if self._by_header.get(key.header_segment) is not key:
            return False
        return key.not_after is None or not key.is_over(self._clock().timestamp())

    def writes(self, presented: str) -> bool:
        """Whether a token's header is one of ours; nothing else of it is looked at."""
        return presented.partition(".")[0] in self._by_header

    def verify(self, presented: str) -> tuple[Claims, AnyKey_co]:
        """The claims of a token that one of our keys signed, and that key.

        Claims are not looked at, and nothing is looked up for a key that is not here.
        Raises: `TokenRejected`. Source: RFC 7515 §5.2, RFC 8725 §3.
        """
        if len(presented) > MAX_TOKEN_CHARACTERS:
            raise TokenRejected("too long")
        match = _COMPACT_JWS.fullmatch(presented)
        if match is None:
            raise TokenRejected("not a compact JWS")
        key = self._by_header.get(match[1])
        if key is None or not self.holds(key):
            raise UnknownKey("not a header that we write")
        try:
            return key.verify(presented, match[2]), key
        except TokenRejected:
            raise
        except Exception as error:  # python-jose lets a dozen kinds of exception escape
            raise TokenRejected(f"signature: {type(error).__name__}") from error


def _signed(header_segment: str, claims: Claims, key: Key) -> str:
    """What `jws.sign` gives, which encodes the header anew each time."""
    text = f"{header_segment}.{base64url(_COMPACT_JSON.encode(claims).encode())}"
    return f"{text}.{base64url(key.sign(text.encode()))}"


def public_jwks(keys: Iterable[VerifyingKey]) -> dict[str, list[Jwk]]:
    """The JWK Set (RFC 7517 §5) of those keys that have a public half."""
    return {"keys": [key.public_jwk for key in keys if isinstance(key, PublicKey)]}


def thumbprint(public: Jwk) -> str:
    """43 characters. Source: RFC 7638 §3."""
    canonical = json.dumps(public, separators=(",", ":"), sort_keys=True)
    return base64url(hashlib.sha256(canonical.encode()).digest())


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """32 bytes (RFC 2104). `hmac.digest` takes twice as long for what is as short as this."""
    return hmac.new(key, message, hashlib.sha256).digest()


def base64url(raw: bytes) -> str:
    """Unpadded base64url (RFC 7515 §2)."""
    return b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=").decode()


def _built(material: str | Jwk, algorithm: str) -> tuple[Key, Jwk]:
    """The key object of a PEM or JWK, and the members of its public half.

    Raises: `ValueError`, which never repeats the key.
    """
    if algorithm not in _PUBLIC_MEMBERS:
        raise ValueError("is of an algorithm that we do not use")
    try:
        key = jwk.construct(material, algorithm)
        document = key.public_key().to_dict()
        public = {name: str(document[name]) for name in _PUBLIC_MEMBERS[algorithm]}
    except Exception:  # noqa: BLE001 - whatever the libraries find wrong; nothing of it may be shown
        raise ValueError(f"is no key for {algorithm}") from None
    if algorithm == "ES256" and public["crv"] != "P-256":
        raise ValueError("is not on the curve P-256")
    if algorithm == "RS256" and key.public_key().prepared_key.key_size not in RSA_BITS:
        raise ValueError("has less than 2048 bits, or more than 4096")
    return key, public


def _signature_bytes(public: Jwk) -> int:
    return P256_BYTES if public["kty"] == "EC" else len(public["n"]) * 6 // 8


def _canonical(byte_count: int) -> re.Pattern[str]:
    """Unpadded base64url of so many bytes, in the one spelling without stray bits."""
    characters = -(-byte_count * 8 // 6)
    last = _LAST_CHARACTER[byte_count % 3]
    return re.compile(rf"[A-Za-z0-9_-]{{{characters - 1}}}{last}")


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
