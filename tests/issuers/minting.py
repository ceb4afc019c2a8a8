"""Tokens as the real libraries mint them, and the configuration that trusts their issuers."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token

from src.core.clock import Clock
from src.core.settings import Settings
from src.issuers.configuration import read_issuers
from src.issuers.trusted import TrustedIssuers
from tests.conftest import make_settings

django_settings.configure(
    SECRET_KEY=secrets.token_urlsafe(48),
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - needs the settings above
from rest_framework_simplejwt.backends import TokenBackend  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken  # noqa: E402

SHORT = timedelta(minutes=5)
# Everybody's: the same id at every issuer.
SUBJECT = "7"
ISSUER = "https://issuer.example"


@dataclass(frozen=True)
class Minted:
    """How to mint one token: what differs from an ordinary access token."""

    life: timedelta = SHORT
    subject: str = SUBJECT
    refresh: bool = False


Mint = Callable[[Any, Minted], str]  # with a key


@dataclass(frozen=True)
class Kind:
    """A kind of issuer: what the configuration says of it, its key, and how it mints."""

    entry: dict[str, Any]
    key: Any
    mint: Mint
    longest: timedelta = timedelta(hours=1)
    other_key: Any = field(default_factory=lambda: secrets.token_urlsafe(48))


def by_simplejwt(key: str, how: Minted) -> str:
    token = (RefreshToken if how.refresh else AccessToken).for_user(User(id=int(how.subject)))
    token.set_exp(lifetime=how.life)
    return str(TokenBackend("HS256", signing_key=key).encode(token.payload))


def sliding_by_simplejwt(key: str) -> str:
    token = SlidingToken.for_user(User(id=int(SUBJECT)))
    return str(TokenBackend("HS256", signing_key=key).encode(token.payload))


def by_flask(key: str, how: Minted, *, subject: object = None) -> str:
    app = Flask("issuer")
    app.config["JWT_SECRET_KEY"] = key
    JWTManager(app)
    create = create_refresh_token if how.refresh else create_access_token
    with app.app_context():
        return str(create(subject or how.subject, expires_delta=how.life))


def by_pyjwt(key: Any, how: Minted, *, algorithm: str = "HS256", **header: Any) -> str:
    now = datetime.now(UTC)
    claims = {"iss": ISSUER, "aud": "latchkey", "sub": how.subject, "iat": now}
    kind = {"type": "refresh"} if how.refresh else {}
    return jwt.encode({**claims, **kind, "exp": now + how.life}, key, algorithm, header)


def by_next_auth(key: str, how: Minted) -> str:
    """As an application with its own `encode` signs: no `typ`, a week or a month long."""
    now = datetime.now(UTC)
    claims = {"name": "Ada", "email": "ada@example.com", "picture": None, "sub": how.subject}
    kind = {"token_type": "refresh"} if how.refresh else {}
    times = {"iat": now, "exp": now + how.life, "jti": secrets.token_hex(16)}
    return jwt.encode({**claims, **kind, **times}, key, "HS256", {"typ": None})


def for_a_customer(key: str, customer_id: object, *, life: timedelta = SHORT) -> str:
    """As a service signs for itself."""
    now = datetime.now(UTC)
    claims = {"customer_id": customer_id, "type": "service", "iat": now, "exp": now + life}
    return jwt.encode({name: v for name, v in claims.items() if v is not None}, key)


def with_kid(algorithm: str, issuer: str) -> Mint:
    def mint(key: Any, how: Minted) -> str:
        text = by_pyjwt(key, how, algorithm=algorithm, kid="first")
        claims = jwt.decode(text, options={"verify_signature": False})
        return jwt.encode({**claims, "iss": issuer}, key, algorithm, {"kid": "first"})

    return mint


def public_pem(key: Any) -> str:
    form = PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(Encoding.PEM, form), "ascii")


def secret_entry(name: str, key: str, **members: Any) -> dict[str, Any]:
    entry = {"name": name, "secret": key, "algorithms": ["HS256"], "allows": "user"}
    return {**entry, **members}


def kinds(jwks_url: str, published: Ed25519PrivateKey) -> dict[str, Kind]:
    """One issuer of each kind, with keys of its own."""
    keys = {name: secrets.token_urlsafe(48) for name in ("django", "flask", "pyjwt", "nextauth")}
    pair, partner, identity = ec.generate_private_key(ec.SECP256R1()), "urn:partner", "urn:idp"
    own = {"allows": "user", "audience": "latchkey"}
    return {
        "django": Kind(
            secret_entry("django", keys["django"], subject_claim="user_id"),
            keys["django"],
            by_simplejwt,
        ),
        "flask": Kind(secret_entry("flask", keys["flask"]), keys["flask"], by_flask),
        "pyjwt": Kind(
            secret_entry("pyjwt", keys["pyjwt"], issuer=ISSUER, audience="latchkey"),
            keys["pyjwt"],
            by_pyjwt,
        ),
        "nextauth": Kind(
            secret_entry("nextauth", keys["nextauth"], max_lifetime_hours=168),
            keys["nextauth"],
            by_next_auth,
            longest=timedelta(hours=168),
        ),
        "partner": Kind(
            {"name": "partner", "public_key": public_pem(pair), "algorithms": ["ES256"]}
            | {"issuer": partner, **own},
            pair,
            with_kid("ES256", partner),
            other_key=ec.generate_private_key(ec.SECP256R1()),
        ),
        "idp": Kind(
            {"name": "idp", "jwks_url": jwks_url, "algorithms": ["EdDSA"]}
            | {"issuer": identity, **own},
            published,
            with_kid("EdDSA", identity),
            other_key=Ed25519PrivateKey.generate(),
        ),
    }


def settings_with(path: Path, *entries: dict[str, Any], **changes: Any) -> Settings:
    """Settings that name a file with these issuers."""
    path.write_text(json.dumps({"issuers": entries}))
    path.chmod(0o600)
    return make_settings(TRUSTED_ISSUERS=str(path), **changes)


def issuers_of(path: Path, clock: Clock, *entries: dict[str, Any]) -> TrustedIssuers:
    return TrustedIssuers(read_issuers(settings_with(path, *entries)), clock=clock)
