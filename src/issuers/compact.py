"""The compact form of a JWS, taken apart; nothing that it says is verified yet."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final

MAX_TOKEN_CHARACTERS: Final = 8192
# Absent or one of these: other types are tokens for another purpose (RFC 8725 §3.11).
ACCEPTED_TYPES: Final = {"JWT", "AT+JWT", "APPLICATION/AT+JWT"}
# Members that change how a token is read (RFC 7515 §4.1.11, RFC 7797).
REFUSED_MEMBERS: Final = {"crit", "b64", "zip", "enc"}

# Three segments: two more dots would be encryption (RFC 7516), which we do not do.
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_CANONICAL_NAMES: Final = {"Ed25519": "EdDSA"}  # RFC 9864's name for what RFC 8037 calls EdDSA


class TokenRefused(Exception):  # noqa: N818 - a verdict, not a fault
    """A token that is not acceptable; the message says why, for the log alone."""


class NoIssuer(TokenRefused):
    """A token that no trusted issuer has signed."""


class TokenExpired(TokenRefused):
    """A token that was good until its `exp`."""


class SubjectMissing(TokenRefused):
    """A token that is good otherwise, but does not say whom it is about."""


@dataclass(frozen=True, slots=True)
class CompactJws:
    """A token's parts. `algorithm` and `kid` choose among the keys that we have, nothing else.

    `kind` is the header's `typ` in capitals, None without one.
    """

    kind: str | None
    algorithm: str
    kid: str | None
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes


def parse_compact(token: str) -> CompactJws:
    """Raises: `TokenRefused`. Source: RFC 7515 §5.2, RFC 7519 §7.2."""
    match = _COMPACT.fullmatch(token) if len(token) <= MAX_TOKEN_CHARACTERS else None
    if match is None:
        raise TokenRefused("not a compact JWS, or too long")
    header = _json_object(_decoded(match[1]))
    if header.keys() & REFUSED_MEMBERS:
        raise TokenRefused("the header demands what we do not do")
    if str(header.get("typ", "JWT")).upper() not in ACCEPTED_TYPES:
        raise TokenRefused("another type of token")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise TokenRefused("alg or kid is no text")
    return CompactJws(
        kind=header["typ"].upper() if "typ" in header else None,
        algorithm=_CANONICAL_NAMES.get(algorithm, algorithm),
        kid=kid,
        claims=_json_object(_decoded(match[2])),
        signing_input=token.rpartition(".")[0].encode(),
        signature=_decoded(match[3]),
    )


def _decoded(segment: str) -> bytes:
    """Raises: `TokenRefused` for any but the one spelling of the bytes."""
    try:
        raw = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError as error:
        raise TokenRefused("not base64url") from error
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != segment:
        raise TokenRefused("not the one spelling in base64url")
    return raw


def _json_object(raw: bytes) -> dict[str, Any]:
    """Raises: `TokenRefused`."""
    try:
        parsed = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise TokenRefused(f"no JSON: {type(error).__name__}") from error
    if not isinstance(parsed, dict):
        raise TokenRefused("no JSON object")
    return parsed
