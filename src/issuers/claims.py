"""What the claims of a trusted issuer's token must say, once its signature is known to be right."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from src.issuers.compact import SubjectMissing, TokenExpired, TokenRefused

LEEWAY_SECONDS: Final = 10
LATEST_SECONDS: Final = 253_402_300_799  # the end of the year 9999, the last that datetime has
MAX_SUBJECT_CHARACTERS: Final = 255
MAX_SUBJECT_NUMBER: Final = 2**63 - 1
# Where libraries write what a token is for: Flask, simplejwt, Cognito, Keycloak.
PURPOSE_CLAIMS: Final = ("type", "token_type", "token_use", "typ")
PURPOSES: Final = {"user": ("access", "Bearer"), "service": ("access", "Bearer", "service")}

Claims = Mapping[str, Any]
RequiredValue = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What an issuer's tokens must say. None in `required` asks only that the claim is there."""

    issuer: str | None
    audience: str | None
    subject_claim: str
    purposes: tuple[str, ...]
    max_lifetime: timedelta
    required: Mapping[str, RequiredValue]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a token is about, in the issuer's own terms. Times are aware, in UTC."""

    subject: str
    issued_at: datetime
    expires_at: datetime


def examined(claims: Claims, rules: Rules, *, now: float) -> Subject:
    """Whom the claims are about. Their `iss` is the one that the rules were chosen by.

    `now` is in seconds.
    Raises: `TokenExpired`, `SubjectMissing`, `TokenRefused`. Source: RFC 7519 §4.1, RFC 8725 §3.
    """
    if not _is_for(claims.get("aud"), rules.audience):
        raise TokenRefused("aud is another one")
    if any(claims.get(name, "access") not in rules.purposes for name in PURPOSE_CLAIMS):
        raise TokenRefused("not an access token")
    for name, value in rules.required.items():
        if not _says(claims, name, value):
            raise TokenRefused(f"{name} is not what is required")
    issued, expires = _times(claims, rules.max_lifetime.total_seconds(), now)
    return Subject(
        subject=_subject(claims, rules.subject_claim),
        issued_at=datetime.fromtimestamp(issued, UTC),
        expires_at=datetime.fromtimestamp(expires, UTC),
    )


def _is_for(audience: object, expected: str | None) -> bool:
    """An audience that nobody told us of is somebody else (RFC 7519 §4.1.3)."""
    if expected is None:
        return audience is None
    return expected in audience if isinstance(audience, list) else audience == expected


def _says(claims: Claims, name: str, value: RequiredValue) -> bool:
    claimed = claims.get(name)
    if value is None:
        return claimed is not None
    return type(claimed) is type(value) and claimed == value  # True is not 1


def _times(claims: Claims, longest: float, now: float) -> tuple[float, float]:
    """When it was issued and when it expires. Raises: `TokenRefused`."""
    expires = _seconds(claims, "exp")
    issued, not_before = _seconds(claims, "iat"), _seconds(claims, "nbf")
    if expires is None:
        raise TokenRefused("exp is missing")
    if expires <= now - LEEWAY_SECONDS:
        raise TokenExpired("expired")
    if max(issued or 0, not_before or 0) > now + LEEWAY_SECONDS:
        raise TokenRefused("issued in the future")
    if issued is None:  # only what is left of its life can be judged
        issued = min(now, expires)
    if not 0 <= expires - issued <= longest:
        raise TokenRefused("lives too long")
    return issued, expires


def _seconds(claims: Claims, name: str) -> float | None:
    """A NumericDate (RFC 7519 §2), which may have a fraction. Raises: `TokenRefused`."""
    if name not in claims:
        return None
    value: Any = claims[name]
    if type(value) not in (int, float) or not 0 <= value <= LATEST_SECONDS:  # NaN is not either
        raise TokenRefused(f"{name} is no time")
    return float(value)


def _subject(claims: Claims, name: str) -> str:
    """A number is its decimal digits: libraries have changed from one to the other.

    Raises: `TokenRefused`.
    """
    value = claims.get(name)
    if value in (None, ""):
        raise SubjectMissing(f"{name} is missing")
    if type(value) is int and 0 <= value <= MAX_SUBJECT_NUMBER:
        return str(value)
    if not isinstance(value, str) or len(value) > MAX_SUBJECT_CHARACTERS:
        raise TokenRefused(f"{name} is no text, or too long")
    if not value.isprintable():
        raise TokenRefused(f"{name} contains invisible characters")
    return _email(value, claims) if name == "email" else value


def _email(address: str, claims: Claims) -> str:
    """Who has not shown that an address is theirs is not to become whom it belongs to.

    Raises: `TokenRefused`.
    """
    if claims.get("email_verified", claims.get("emailVerified")) is not True:
        raise TokenRefused("email is not verified")
    return address.lower()
