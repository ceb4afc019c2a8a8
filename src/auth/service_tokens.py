"""Service tokens: short-lived JWTs that say for which customer a service asks.

Services that share SERVICE_TOKEN_SECRET mint and verify them as well, each with the library that it
has. So the header need not be one that we write, as with our other tokens: PyJWT reads it, and what
it may say is checked here. How services use them: docs/services.md.
"""

import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jwt.api_jws import PyJWS

from src.auth.key_ring import Claims, TokenRejected, required
from src.core.clock import Clock, utc_now
from src.core.settings import Settings, load_settings

ALGORITHM: Final = "HS256"
LIFETIME: Final = timedelta(minutes=15)  # of those that we mint
MOST_AHEAD: Final = timedelta(hours=24)  # of those that others mint
LEEWAY_SECONDS: Final = 10
MAX_TOKEN_CHARACTERS: Final = 4096
MAX_CUSTOMER_NUMBER: Final = 2**63 - 1

_CUSTOMER_ID: Final = re.compile(r"[\x21-\x7e]{1,64}")
_JWS: Final = PyJWS(algorithms=[ALGORITHM])


class TokenExpired(TokenRejected):
    """A service token that was good until its `exp`."""


class CustomerMissing(TokenRejected):
    """A service token that is good, but names no customer."""


@dataclass(frozen=True, slots=True)
class ServiceClaims:
    """What a verified service token says. Times are aware, in UTC.

    `client_id`, `jti` and `issued_at` may be missing in what others minted.
    """

    customer_id: str
    client_id: str | None
    jti: str | None
    issued_at: datetime | None
    expires_at: datetime


class ServiceTokens:
    """Mints service tokens and verifies our own and those of who shares the secret. No I/O."""

    def __init__(self, *, secret: str, issuer: str, audience: str, clock: Clock) -> None:
        self._secret = secret
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    def mint(self, customer_id: str, *, client_id: str | None = None) -> str:
        """A token of 15 minutes for a customer, in the name of a registered client if any."""
        now = int(self._clock().timestamp())
        claims = {
            "iss": self._issuer,
            "type": "service",
            "customer_id": customer_id,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + int(LIFETIME.total_seconds()),
            **({"client_id": client_id} if client_id else {}),
        }
        return _JWS.encode(json.dumps(claims).encode(), self._secret, ALGORITHM)

    def verify(self, presented: str) -> ServiceClaims:
        """The claims of a valid service token.

        Raises: `TokenExpired`, `CustomerMissing`, `TokenRejected` for whatever else is wrong.
        Source: RFC 7519 §7.2, RFC 8725 §3.
        """
        claims = self._signed_claims(presented)
        self._require_ours(claims)
        issued, expires = self._check_times(claims)
        return ServiceClaims(
            customer_id=_customer_id(claims),
            client_id=_optional(claims, "client_id", str),
            jti=_optional(claims, "jti", str),
            issued_at=None if issued is None else datetime.fromtimestamp(issued, UTC),
            expires_at=datetime.fromtimestamp(expires, UTC),
        )

    def _signed_claims(self, presented: str) -> Claims:
        """Raises: `TokenRejected`."""
        if len(presented) > MAX_TOKEN_CHARACTERS or "=" in presented:
            raise TokenRejected("too long, or padded")
        try:
            signed = _JWS.decode_complete(presented, self._secret, [ALGORITHM])
            claims = json.loads(signed["payload"].decode())
        except Exception as error:  # PyJWT's own, and what its parts let escape
            raise TokenRejected(f"signature: {type(error).__name__}") from error
        header = signed["header"]
        if "crit" in header or str(header.get("typ", "JWT")).upper() != "JWT":
            raise TokenRejected("not a header of a plain JWT")
        if not isinstance(claims, dict):
            raise TokenRejected("claims are no object")
        return claims

    def _require_ours(self, claims: Claims) -> None:
        """Claims that a token may lack, but that say what they must where they are there."""
        if claims.get("type", "service") != "service":
            raise TokenRejected("another kind of token")
        if claims.get("iss", self._issuer) != self._issuer:
            raise TokenRejected("iss is not ours")
        audiences = claims.get("aud", self._audience)
        if self._audience not in (audiences if isinstance(audiences, list) else [audiences]):
            raise TokenRejected("aud is not ours")

    def _check_times(self, claims: Claims) -> tuple[int | None, int]:
        """`iat` and `exp`. Raises: `TokenExpired`, `TokenRejected`."""
        expires: int = required(claims, "exp", int)
        issued: int | None = _optional(claims, "iat", int)
        not_before: int | None = _optional(claims, "nbf", int)
        now = self._clock().timestamp()
        most = MOST_AHEAD.total_seconds()
        if max(issued or 0, not_before or 0) > now + LEEWAY_SECONDS:
            raise TokenRejected("issued in the future")
        # Without `iat` only what is left of its life can be judged.
        lifetime = 0 if issued is None else expires - issued
        if lifetime > most or expires > now + most + LEEWAY_SECONDS:
            raise TokenRejected("lives too long")
        if expires <= now - LEEWAY_SECONDS:
            raise TokenExpired("expired")
        return issued, expires


def generate_service_token(customer_id: str | int, *, settings: Settings | None = None) -> str:
    """A service token of 15 minutes for a customer, made in this process.

    For code that runs beside Latchkey with its settings; they are read from the environment and
    `.env` where none are given. Other services ask `POST /auth/token`.
    Raises: ValueError for what is no customer's id or where SERVICE_TOKEN_SECRET is not set,
    `ConfigurationError`.
    """
    tokens = service_tokens(settings or load_settings())
    if tokens is None:
        raise ValueError("SERVICE_TOKEN_SECRET is not set: service tokens are signed with it")
    return tokens.mint(canonical_customer_id(customer_id))


def service_tokens(settings: Settings, *, clock: Clock = utc_now) -> ServiceTokens | None:
    """As the settings say; None without SERVICE_TOKEN_SECRET."""
    if settings.SERVICE_TOKEN_SECRET is None:
        return None
    return ServiceTokens(
        secret=settings.SERVICE_TOKEN_SECRET.get_secret_value(),
        issuer=settings.JWT_ISSUER,
        audience=settings.JWT_AUDIENCE,
        clock=clock,
    )


def canonical_customer_id(value: object) -> str:
    """A customer's id as text: a number is its decimal digits, so that 1 and "1" are the same.

    Raises: ValueError for anything but 1 to 64 visible ASCII characters or 0 to 2⁶³-1.
    """
    if type(value) is int and 0 <= value <= MAX_CUSTOMER_NUMBER:
        return str(value)
    if isinstance(value, str) and _CUSTOMER_ID.fullmatch(value):
        return value
    raise ValueError("A customer's id is 1 to 64 visible ASCII characters, or a whole number.")


def _customer_id(claims: Claims) -> str:
    value = claims.get("customer_id")
    if value in (None, ""):
        raise CustomerMissing("customer_id is missing")
    try:
        return canonical_customer_id(value)
    except ValueError as error:
        raise TokenRejected("customer_id is no customer's id") from error


def _optional(claims: Claims, name: str, kind: type) -> Any:  # noqa: ANN401 - the caller names the type
    return required(claims, name, kind) if name in claims else None
