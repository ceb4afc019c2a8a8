"""Keys of an issuer elsewhere: fetched seldom, one at a time, and from one address alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.utils import base64url_encode

from src.auth.access_tokens import TOKEN_TYPE, AccessTokens
from src.auth.key_ring import KeyPair, KeyRing, public_jwks
from src.core.clock import utc_now
from src.issuers import jwks
from src.issuers.compact import TokenRefused
from src.issuers.jwks import JwksClient, KeysUnreachable
from tests.conftest import MovableClock
from tests.issuers.key_server import KeyServer, public_jwk
from tests.issuers.minting import issuers_of
from tests.tokens import segment

FIRST, SECOND = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NO_KEYS = b'{"keys": []}'


class Seconds:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def keys(key_server: KeyServer, seconds: Seconds) -> AsyncIterator[JwksClient]:
    key_server.keys = [public_jwk(FIRST, "first")]
    client = JwksClient(key_server.url, now=seconds)
    yield client
    await client.aclose()


def failing(server: KeyServer, body: bytes = b"", **how: Any) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        server.say(request, body, **how)

    server.answer = answer


async def test_keys_are_fetched_once_while_they_are_fresh(
    keys: JwksClient, key_server: KeyServer, seconds: Seconds
) -> None:
    found = await asyncio.gather(*(keys.key_for("first") for _ in range(20)))
    seconds.now += jwks.FRESH_SECONDS - 1
    found.append(await keys.key_for("first"))
    assert {key.algorithm_name for key in found if key} == {"EdDSA"}
    assert len(key_server.asked) == 1
    seconds.now += 2
    await keys.key_for("first")
    assert len(key_server.asked) == 2


async def test_a_rotation_is_picked_up_and_a_key_that_is_gone_is_dropped(
    keys: JwksClient, key_server: KeyServer, seconds: Seconds
) -> None:
    await keys.key_for("first")
    key_server.keys = [public_jwk(SECOND, "second")]
    seconds.now += jwks.COOL_DOWN_SECONDS
    assert await keys.key_for("second")
    assert await keys.key_for("first") is None


async def test_a_flood_of_unknown_names_makes_one_fetch_in_two_seconds(
    keys: JwksClient, key_server: KeyServer, seconds: Seconds
) -> None:
    await keys.key_for("first")
    for fetches in (1, 2, 3):
        unknown = [f"unknown-{fetches}-{number}" for number in range(400)]
        assert set(await asyncio.gather(*map(keys.key_for, unknown))) == {None}
        assert [await keys.key_for(name) for name in unknown] == [None] * 400
        assert await keys.key_for("first")
        assert len(key_server.asked) == fetches
        seconds.now += jwks.COOL_DOWN_SECONDS


async def test_a_name_that_was_looked_for_in_vain_is_looked_for_again_after_a_while(
    keys: JwksClient, key_server: KeyServer, seconds: Seconds
) -> None:
    assert await keys.key_for("second") is None
    key_server.keys.append(public_jwk(SECOND, "second"))
    seconds.now += jwks.COOL_DOWN_SECONDS
    assert await keys.key_for("second") is None
    seconds.now += jwks.MISSING_SECONDS
    assert await keys.key_for("second")
    assert len(key_server.asked) == 2


async def test_what_is_remembered_of_unknown_names_is_bounded(
    keys: JwksClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "MOST_MISSING", 10)
    await asyncio.gather(*(keys.key_for(f"unknown-{number}") for number in range(100)))
    assert len(keys._missing_until) == 10
    assert await keys.key_for("x" * 257) is None
    assert "x" * 257 not in keys._missing_until


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "body": NO_KEYS},
        {"status": 204, "body": NO_KEYS},
        {"status": 302, "body": NO_KEYS, "Location": "/elsewhere"},
        {"body": b"{"},
        {"body": b"[" * 100_000},
        {"body": b'{"keys": {}}'},
        {"body": b"[]"},
        {"body": b"\xff\xfe"},
        {"body": NO_KEYS + b" " * jwks.MOST_BYTES},
        {"body": NO_KEYS, "Content_Encoding": "gzip"},
    ],
    ids=range(10),
)
async def test_an_answer_that_cannot_be_used_leaves_the_keys_that_were_seen(
    keys: JwksClient, key_server: KeyServer, seconds: Seconds, answer: dict[str, Any]
) -> None:
    await keys.key_for("first")
    failing(key_server, **answer)
    seconds.now += jwks.FRESH_SECONDS
    assert await keys.key_for("first")
    with pytest.raises(KeysUnreachable):
        await keys.key_for("second")
    assert set(key_server.asked) == {"/jwks"}
    assert len(key_server.asked) == 2


async def test_without_an_answer_keys_that_were_seen_are_good_for_a_day(
    keys: JwksClient, key_server: KeyServer, seconds: Seconds
) -> None:
    await keys.key_for("first")
    failing(key_server, status=503)
    seconds.now += jwks.LONGEST_STALE_SECONDS - 1
    assert await keys.key_for("first")
    seconds.now += 1
    with pytest.raises(KeysUnreachable):
        await keys.key_for("first")
    key_server.answer = key_server._publish
    seconds.now += jwks.COOL_DOWN_SECONDS
    assert await keys.key_for("first")


def hang(_: BaseHTTPRequestHandler) -> None:
    time.sleep(5)


def drip(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(NO_KEYS)
    for _ in range(50):
        request.wfile.write(b" ")
        time.sleep(0.1)


@pytest.mark.parametrize("answer", [hang, drip])
async def test_a_server_that_hangs_is_given_up_and_nobody_waits_for_keys_that_were_seen(
    keys: JwksClient,
    key_server: KeyServer,
    seconds: Seconds,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[BaseHTTPRequestHandler], None],
) -> None:
    await keys.key_for("first")
    monkeypatch.setattr(jwks, "DEADLINE_SECONDS", 0.5)
    key_server.answer = answer
    seconds.now += jwks.FRESH_SECONDS
    unseen = [keys.key_for(f"unseen-{number}") for number in range(50)]
    verdicts = await asyncio.gather(*unseen, return_exceptions=True)
    assert {type(verdict) for verdict in verdicts} == {KeysUnreachable}
    assert len(key_server.asked) == 2
    monkeypatch.setattr(jwks, "DEADLINE_SECONDS", 3_600)
    seconds.now += jwks.COOL_DOWN_SECONDS
    assert await keys.key_for("first")  # another fetch has begun, and would take an hour


@pytest.mark.faults
async def test_a_server_that_hangs_delays_nobody_over_three_seconds(
    keys: JwksClient, key_server: KeyServer, seconds: Seconds
) -> None:
    """The best of three tries: the machine may be busy with something else."""
    key_server.answer = drip
    tries = []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(KeysUnreachable):
            await keys.key_for("first")
        tries.append(time.monotonic() - began)
        seconds.now += jwks.COOL_DOWN_SECONDS
    assert min(tries) < 3.5


async def test_addresses_in_a_token_are_never_followed(
    key_server: KeyServer, tmp_path: Path
) -> None:
    key_server.keys = [public_jwk(FIRST, "first")]
    entry = {"name": "idp", "jwks_url": key_server.url, "algorithms": ["EdDSA", "RS256"]}
    entry |= {"issuer": "urn:idp", "audience": "latchkey", "allows": "user"}
    issuers = issuers_of(tmp_path / "issuers.json", MovableClock(), entry)
    claims = {"iss": "urn:idp", "aud": "latchkey", "sub": "7", "exp": int(time.time()) + 60}
    evil = f"{key_server.origin}/evil"
    headers: list[dict[str, Any]] = [
        {"jku": evil, "kid": "second"},
        {"x5u": evil, "kid": "second"},
        {"jwk": public_jwk(SECOND, "second"), "kid": "second"},
        {"jwk": public_jwk(SECOND, "first"), "kid": "first"},
        {"kid": evil},
        {"jku": evil},
    ]
    for header in headers:
        with pytest.raises(TokenRefused, match="no trusted issuer has signed it"):
            await issuers.verify(jwt.encode(claims, SECOND, "EdDSA", header))
    assert set(key_server.asked) == {"/jwks"}
    assert await issuers.verify(jwt.encode(claims, FIRST, "EdDSA", {"kid": "first", "jku": evil}))


async def test_a_token_names_the_algorithm_that_its_key_is_for(
    key_server: KeyServer, tmp_path: Path
) -> None:
    key_server.keys = [public_jwk(FIRST, "first")]
    entry = {"name": "idp", "jwks_url": key_server.url, "algorithms": ["EdDSA", "RS256"]}
    entry |= {"issuer": "urn:idp", "audience": "latchkey", "allows": "user"}
    issuers = issuers_of(tmp_path / "issuers.json", MovableClock(), entry)
    claims = {"iss": "urn:idp", "aud": "latchkey", "sub": "7", "exp": int(time.time()) + 60}
    for name, is_accepted in (("EdDSA", True), ("Ed25519", True), ("RS256", False)):
        body = f"{segment({'alg': name, 'kid': 'first'})}.{segment(claims)}"
        signature = base64url_encode(FIRST.sign(body.encode())).decode()
        with nullcontext() if is_accepted else pytest.raises(TokenRefused, match="no trusted"):
            await issuers.verify(f"{body}.{signature}")


async def test_another_latchkey_is_an_issuer_like_any_other(
    key_server: KeyServer, tmp_path: Path
) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    pair = KeyPair(private_key=pem.decode(), algorithm="ES256", token_type=TOKEN_TYPE)
    minting = AccessTokens(
        KeyRing(pair),
        issuer="https://other.example",
        audience="here",
        ttl=timedelta(minutes=15),
        clock=utc_now,
    )
    key_server.keys = public_jwks([pair])["keys"]
    entry = {"name": "other", "jwks_url": key_server.url, "algorithms": ["ES256"]}
    entry |= {"issuer": "https://other.example", "audience": "here", "allows": "user"}
    issuers = issuers_of(tmp_path / "issuers.json", MovableClock(), entry)
    user_id = uuid4()
    minted = minting.mint(
        user_id=user_id, session_id="s", roles=["admin"], not_after=utc_now() + timedelta(days=1)
    )
    assert (await issuers.verify(minted.text)).about.subject == str(user_id)
