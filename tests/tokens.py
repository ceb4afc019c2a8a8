"""JWTs made and read by hand, so that tests do not trust the code under test."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any


def segment(document: object) -> str:
    """A JSON document as one segment of a JWT."""
    return encoded(json.dumps(document, separators=(",", ":"), sort_keys=False).encode())


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(decoded(token.split(".")[1]))
    return claims


def header_of(token: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(decoded(token.split(".", maxsplit=1)[0]))
    return header


def signed(claims: object, header: object, *, secret: str, digest: str = "sha256") -> str:
    """A JWS with an HMAC, whatever the header says about it."""
    return sign_segments(segment(header), segment(claims), secret=secret, digest=digest)


def sign_segments(header: str, claims: str, *, secret: str, digest: str = "sha256") -> str:
    message = f"{header}.{claims}"
    mac = hmac.digest(secret.encode(), message.encode(), getattr(hashlib, digest))
    return f"{message}.{encoded(mac)}"
