"""What a Better Auth token names, once its signature, times and purpose have been checked.

A token's shape alone decides how it is read: what fails in its own form is never tried in a weaker
one. The same secret signs session tokens, JWTs, cookies and the links in Better Auth's e-mails.
"""

import hashlib
import hmac
import math
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import unquote_to_bytes

from src.core.clock import Clock
from src.issuers.better_auth_models import Method
from src.issuers.compact import (
    MAX_TOKEN_CHARACTERS,
    CompactJws,
    TokenRefused,
    parse_compact,
)
from src.issuers.keys import PUBLIC_KEY_ALGORITHMS, PublishedKeys

MOST_EMAIL_CHARACTERS: Final = 320
LEEWAY_SECONDS: Final = 10

_SESSION_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,256}")
_SIGNATURE = re.compile(r"([A-Za-z0-9+/_-]{43})=?")  # of 32 bytes, in either alphabet
_USER_ID = re.compile(r"[!-~]{1,255}")
_TO_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")
_SUBJECT_CLAIMS: Final = ("sub", "user_id", "identity")
_KIND_CLAIMS: Final = ("type", "token_type")
# Better Auth's links for a change of address have these claims...
_LINK_CLAIMS: Final = frozenset({"updateTo", "requestType"})
# ...and its other e-mail links these alone.
_BARE_CLAIMS: Final = frozenset({"email", "iat", "exp"})

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """Whom or what a good token names; `value` is safe to look up as it is."""

    by: Literal["session token", "user id", "email"]
    value: str
    method: Method


@dataclass(frozen=True, slots=True)
class Rules:
    """What is known of the Better Auth server. `secret` None: nothing that it signs is believed."""

    secret: bytes | None
    issuer: str | None
    audience: str | None
    require_sub: bool


class BetterAuthTokens:
    """Reads tokens. The only I/O is that of `keys`."""

    def __init__(self, rules: Rules, *, keys: PublishedKeys | None, clock: Clock) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock

    async def read(self, token: str) -> Named:
        """What the token names. Raises: `TokenRefused`, `KeysUnreachable`."""
        if not 0 < len(token) <= MAX_TOKEN_CHARACTERS or not token.isascii():
            raise TokenRefused("empty, too long or not ASCII")
        match token.count("."):
            case 0:
                return Named("session token", _session_token(token), Method.SESSION_TOKEN)
            case 1:
                return self._read_signed(token)
            case 2:
                return await self._read_jwt(token)
        raise TokenRefused("of no shape that is read here")

    def _read_signed(self, token: str) -> Named:
        """`raw.signature`, as the cookie has it (percent-encoded) or `set-auth-token` (plain).

        The signature is base64 of HMAC-SHA256 over the raw token, and Better Auth itself takes
        base64url without padding as well.
        """
        try:
            decoded = unquote_to_bytes(token).decode("ascii")
        except UnicodeDecodeError:
            raise TokenRefused("percent-encoded bytes outside ASCII") from None
        # After decoding: a %00 that reached the database would be an error there.
        session_token, _, signature = decoded.partition(".")
        _session_token(session_token)
        presented = _SIGNATURE.fullmatch(signature)
        expected = b64encode(self._mac(session_token.encode()))
        if not presented or not hmac.compare_digest(
            presented[1].translate(_TO_STANDARD_ALPHABET).encode(),
            expected.rstrip(b"="),
        ):
            raise TokenRefused("signature of the session token")
        return Named("session token", session_token, Method.SIGNED_SESSION_TOKEN)

    def _mac(self, message: bytes) -> bytes:
        if self._rules.secret is None:
            raise TokenRefused("signed with a secret that is not shared with us")
        return hmac.digest(self._rules.secret, message, hashlib.sha256)

    async def _read_jwt(self, token: str) -> Named:
        jws = parse_compact(token)
        if jws.kind not in (None, "JWT"):
            raise TokenRefused("typ")
        if jws.algorithm == "HS256":  # the secret is for this alone, and this for nothing else
            if not hmac.compare_digest(self._mac(jws.signing_input), jws.signature):
                raise TokenRefused("signature of the JWT")
            self._check_shared_secret_rules(jws)
            methods = Method.SHARED_SECRET_JWT, Method.SHARED_SECRET_JWT_EMAIL
        else:
            if jws.algorithm not in PUBLIC_KEY_ALGORITHMS or self._keys is None:
                raise TokenRefused("algorithm")
            if not await self._keys.signed(jws):
                raise TokenRefused("signature of the JWT, or its key")
            self._check_published_key_rules(jws.claims)
            methods = Method.PUBLISHED_KEY_JWT, Method.PUBLISHED_KEY_JWT_EMAIL
        _check_times(jws.claims, self._clock().timestamp())
        _check_purpose(jws.claims)
        return self._named(jws.claims, *methods)

    def _check_shared_secret_rules(self, jws: CompactJws) -> None:
        claims = jws.claims
        if jws.kind is None and claims.keys() <= _BARE_CLAIMS:
            raise TokenRefused("a link of an e-mail, to judge by its shape")
        issuer, audience = self._rules.issuer, self._rules.audience
        if issuer is not None and claims.get("iss", issuer) != issuer:
            raise TokenRefused("issuer")
        if audience is not None and "aud" in claims and not _is_for(audience, claims):
            raise TokenRefused("audience")

    def _check_published_key_rules(self, claims: Claims) -> None:
        issuer = self._rules.issuer
        audience = self._rules.audience or issuer
        if issuer is not None and claims.get("iss") != issuer:
            raise TokenRefused("issuer")
        if audience is not None and not _is_for(audience, claims):
            raise TokenRefused("audience")

    def _named(self, claims: Claims, by_subject: Method, by_email: Method) -> Named:
        """The strongest name that the claims have; a bad one is never made up for by another."""
        cached_session = claims.get("session")
        if isinstance(cached_session, dict) and "token" in cached_session:
            session_token = _session_token(cached_session["token"])
            return Named("session token", session_token, Method.COOKIE_CACHE)
        for name in _SUBJECT_CLAIMS:
            if name in claims:
                return Named("user id", _user_id(claims[name]), by_subject)
        if self._rules.require_sub:
            raise TokenRefused("no subject")
        # Whoever the token is from, an address that they did not check may be somebody else's.
        if not self._is_of_the_table(claims, by_email) and claims.get("emailVerified") is not True:
            raise TokenRefused("an unverified e-mail, from an issuer that is not known to be ours")
        return Named("email", _email(claims.get("email")), by_email)

    def _is_of_the_table(self, claims: Claims, by_email: Method) -> bool:
        """Whether the issuer is the server whose table the e-mail is looked up in."""
        if "iss" in claims:
            return bool(claims["iss"] == self._rules.issuer)
        return by_email is Method.SHARED_SECRET_JWT_EMAIL


def _check_times(claims: Claims, now: float) -> None:
    """Seconds since the epoch. `exp` must be there, the others may. Source: RFC 7519 §4.1."""
    if _time(claims, "exp") <= now - LEEWAY_SECONDS:
        raise TokenRefused("expired")
    for name in ("iat", "nbf"):
        if name in claims and _time(claims, name) > now + LEEWAY_SECONDS:
            raise TokenRefused(f"{name} is in the future")


def _time(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if type(value) is int or (type(value) is float and math.isfinite(value)):  # True is no integer
        return value
    raise TokenRefused(f"{name} is no time")


def _check_purpose(claims: Claims) -> None:
    if claims.keys() & _LINK_CLAIMS:
        raise TokenRefused("a link of an e-mail")
    if any(claims.get(name, "access") != "access" for name in _KIND_CLAIMS):
        raise TokenRefused("not an access token")


def _is_for(audience: str, claims: Claims) -> bool:
    """Source: RFC 7519 §4.1.3."""
    named = claims.get("aud")
    return named == audience or (isinstance(named, list) and audience in named)


def _session_token(value: object) -> str:
    if not isinstance(value, str) or not _SESSION_TOKEN.fullmatch(value):
        raise TokenRefused("not a session token")
    return value


def _user_id(value: object) -> str:
    # An integer is another issuer's: here ids are text.
    if not isinstance(value, str) or not _USER_ID.fullmatch(value):
        raise TokenRefused("not a user id")
    return value


def _email(value: object) -> str:
    """In lower case, as Better Auth stores it."""
    if not isinstance(value, str) or len(value) > MOST_EMAIL_CHARACTERS:
        raise TokenRefused("no e-mail")
    if "@" not in value or not value.isprintable():  # neither NUL nor half a surrogate pair
        raise TokenRefused("no e-mail")
    return value.lower()
