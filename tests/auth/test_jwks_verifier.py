"""Another service verifies tokens by the public keys that Latchkey publishes, and follows them."""

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from src.auth.jwks import LEAST_SECONDS, POLL_SECONDS, FollowedKeys
from src.auth.key_ring import KeyRing, TokenRejected, UnknownKey
from src.auth.verifier import KeysUnknown, LatchkeyVerifier
from src.core.clock import utc_now
from tests.auth.hostile_tokens import TTL, hostile_tokens
from tests.auth.served_document import Served, served
from tests.auth.test_token_verification import USER, good_of, minted, tokens_of
from tests.auth.token_keys import AsymmetricKey, HmacKey, new_keys

DEAD_URL = "http://127.0.0.1:9/auth/revocations"
FIRST, SECOND = new_keys(), new_keys()
JITTER_SECONDS = 0.2


def key_set(*jwks: dict[str, Any]) -> bytes:
    return json.dumps({"keys": jwks}).encode()


def token_of(key: AsymmetricKey | HmacKey) -> str:
    return minted(tokens_of(KeyRing(key.built)))


@pytest.fixture
def document() -> Iterator[Served]:
    with served(key_set(FIRST["ES256"].jwk, FIRST["RS256"].jwk)) as document:
        yield document


def verifier_of(url: str) -> LatchkeyVerifier:
    return LatchkeyVerifier(
        jwks_url=url, revocations_url=DEAD_URL, when_stale="accept", max_lifetime=TTL
    )


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_tokens_of_published_keys_are_accepted_and_no_hostile_ones(
    document: Served, algorithm: str
) -> None:
    verifier, good = verifier_of(document.url), good_of(FIRST[algorithm])
    with verifier.follow():
        assert verifier.verify(good.token).user_id == USER
        for name, token in hostile_tokens(good).items():
            with pytest.raises(TokenRejected):
                assert verifier.verify(token) is None, name
        for key in SECOND.values():
            with pytest.raises(UnknownKey):
                verifier.verify(token_of(key))


def test_a_flood_of_unknown_keys_finds_the_new_one_and_asks_every_two_seconds_at_most(
    document: Served,
) -> None:
    verifier, strangers = verifier_of(document.url), [token_of(key) for key in SECOND.values()]
    with verifier.follow():
        document.change(key_set(FIRST["RS256"].jwk, SECOND["ES256"].jwk))
        deadline = time.monotonic() + 2 * POLL_SECONDS
        while not accepts(verifier, strangers[1]) and time.monotonic() < deadline:
            assert not accepts(verifier, strangers[0])
            time.sleep(0.001)
        assert accepts(verifier, strangers[1])
        assert not accepts(verifier, token_of(FIRST["ES256"]))  # its key is no longer there
    gaps = [after - before for before, after in pairwise(document.asked_at)]
    assert gaps
    assert min(gaps) > LEAST_SECONDS - JITTER_SECONDS


def accepts(verifier: LatchkeyVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except TokenRejected:
        return False
    return True


def test_a_server_that_hangs_delays_no_verdict(document: Served) -> None:
    verifier = verifier_of(document.url)
    with verifier.follow():
        document.released.clear()
        assert not accepts(verifier, token_of(SECOND["ES256"]))
        while len(document.asked_at) < 2:
            time.sleep(0.01)  # the thread hangs from here on
        assert accepts(verifier, token_of(FIRST["ES256"]))
        assert not accepts(verifier, token_of(SECOND["ES256"]))
        document.released.set()


def test_redirects_are_not_followed(document: Served) -> None:
    with served(b"") as elsewhere:
        elsewhere.status, elsewhere.location = 302, document.url
        verifier = verifier_of(elsewhere.url)
        with verifier.follow(), pytest.raises(KeysUnknown):
            verifier.verify(token_of(FIRST["ES256"]))
    assert document.asked_at == []


def odd_keys() -> dict[str, Any]:
    good = FIRST["ES256"].jwk
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what must be refused
    weak = RSAAlgorithm.to_jwk(short.public_key(), as_dict=True)
    p384 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
    return {
        "a shared secret": {**FIRST["HS256"].jwk, "alg": "HS256", "kid": FIRST["HS256"].built.kid},
        "RSA with 1024 bits": {**weak, "alg": "RS256", "kid": "weak"},
        "P-384": {**p384, "alg": "ES256", "kid": "p384"},
        "for encryption": {**good, "use": "enc"},
        "no algorithm": {name: value for name, value in good.items() if name != "alg"},
        "another algorithm": {**good, "alg": "RS256"},
        "a point off the curve": {**good, "x": good["y"]},
        "a number": 7,
        "nothing": {},
    }


def test_keys_that_are_not_ours_to_use_are_passed_over(document: Served) -> None:
    document.change(key_set(*odd_keys().values(), FIRST["RS256"].jwk))
    verifier = verifier_of(document.url)
    with verifier.follow():
        assert accepts(verifier, token_of(FIRST["RS256"]))
        for stranger in (FIRST["ES256"], FIRST["HS256"]):
            with pytest.raises(UnknownKey):
                verifier.verify(token_of(stranger))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        key_set(*[{}] * 33),
        key_set({"kid": "x" * 100_000}),
        b"[" * 90_000,
    ],
    ids=["HTML", "list", "no keys", "no list", "33 keys", "large", "deep"],
)
def test_a_set_that_is_none_leaves_the_last_keys_in_place(document: Served, body: bytes) -> None:
    keys = FollowedKeys(document.url, clock=utc_now)
    assert keys.read()
    known = [key.kid for key in keys.ring.unexpired]
    assert len(known) == 2
    document.change(body)
    assert not keys.read()
    assert [key.kid for key in keys.ring.unexpired] == known


@pytest.mark.parametrize(
    "url", ["http://auth.example.com/keys", "file:///etc/passwd", "https://a:b@h/", "auth", ""]
)
def test_keys_come_from_nowhere_that_others_can_change(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        verifier_of(url)


@pytest.mark.parametrize("sources", [{}, {"secret": "x" * 32, "jwks_url": "https://h/keys"}])
def test_there_is_one_source_of_keys(sources: Any) -> None:
    with pytest.raises(ValueError, match="either"):
        LatchkeyVerifier(revocations_url=DEAD_URL, **sources)


def test_several_secrets_bridge_a_rotation() -> None:
    secrets = {name: f"{name} x7Kq2ZpV9tLw4RmB8nYc" * 2 for name in ("old", "new")}
    verifier = LatchkeyVerifier(
        secret=tuple(secrets.values()), revocations_url=DEAD_URL, when_stale="accept"
    )
    for secret in secrets.values():
        assert accepts(verifier, token_of(HmacKey(secret)))
    assert not accepts(verifier, token_of(HmacKey("another" * 8)))
