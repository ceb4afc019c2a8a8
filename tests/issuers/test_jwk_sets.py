"""What is taken from a JWK Set, and from which addresses."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from src.issuers.jwks import JwksClient, check_jwks_url, parse_jwks
from tests.issuers.key_server import public_jwk

FIRST, SECOND = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def test_each_key_is_pinned_to_what_it_is() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    modulus = rsa.generate_private_key(65537, 2048)
    document = {
        "keys": [
            public_jwk(FIRST, "ed", alg="Ed25519"),
            public_jwk(elliptic, "ec", use="sig", key_ops=["verify"]),
            public_jwk(modulus, "rsa", alg="RS256"),
            public_jwk(SECOND, "ed"),  # a name is given once
        ],
    }
    found = parse_jwks(json.dumps(document).encode())
    assert {kid: key.algorithm_name for kid, key in found.items()} == {
        "ed": "EdDSA",
        "ec": "ES256",
        "rsa": "RS256",
    }
    assert found["ed"].key == FIRST.public_key()


@pytest.mark.parametrize(
    "jwk",
    [
        "no object",
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a"},
        {**public_jwk(FIRST, "a"), "use": "enc"},
        {**public_jwk(FIRST, "a"), "key_ops": ["encrypt"]},
        {**public_jwk(FIRST, "a"), "alg": "HS256"},
        {**public_jwk(FIRST, "a"), "crv": "Ed448"},
        {**public_jwk(FIRST, "a"), "crv": ["Ed25519"]},
        {**public_jwk(FIRST, "a"), "x": "short"},
        {**public_jwk(FIRST, "a"), "x": 7},
        {**public_jwk(FIRST, ""), "kty": "OKP"},
        {**public_jwk(FIRST, "a"), "kid": 7},
        public_jwk(ec.generate_private_key(ec.SECP384R1()), "a"),
        public_jwk(rsa.generate_private_key(65537, 1024), "a"),  # noqa: S505 - that is the point
        public_jwk(rsa.generate_private_key(65537, 2048), "a", alg="PS256"),
    ],
    ids=range(14),
)
def test_keys_of_other_kinds_are_left_out(jwk: Any) -> None:
    assert parse_jwks(json.dumps({"keys": [jwk]}).encode()) == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/jwks",
        "ftp://127.0.0.1/jwks",
        "file:///etc/passwd",
        "https://",
        "https://name:password@issuer.example/jwks",
        "https://issuer.example/jwks#fragment",
        "https://issuer.example:99999/jwks",
        "https://[::1/jwks",
        "",
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is no URL)"):
        check_jwks_url(url)
    with pytest.raises(ValueError, match=r"^(must|is no URL)"):
        JwksClient(url)
