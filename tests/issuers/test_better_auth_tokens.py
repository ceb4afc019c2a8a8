"""What is read as a Better Auth token and what is not. Whoever is named here is signed in there."""

import hmac
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from src.issuers.better_auth import BetterAuth, InvalidBetterAuthToken, Method
from src.issuers.jwks import KeysUnreachable
from tests.conftest import MovableClock
from tests.issuers.better_auth_tables import (
    ISSUER,
    LAYOUTS,
    SECRET,
    Deployment,
    base64url,
    deployed,
    minted,
    random_text,
    segment,
    signed,
    trusting,
)
from tests.issuers.key_server import KeyServer, public_jwk
from tests.servers import free_port

KEYS: dict[str, Any] = {
    "EdDSA": Ed25519PrivateKey.generate(),
    "ES256": generate_private_key(SECP256R1()),
    "RS256": generate_rsa(public_exponent=65537, key_size=2048),
}
OF_OURS = {"iss": ISSUER, "aud": ISSUER}
FAR = 4_000_000_000  # seconds: in the year 2096


@pytest.fixture(scope="module")
def jwks_url() -> Iterator[str]:
    with KeyServer().running() as server:
        server.keys = [public_jwk(key, kid=name) for name, key in KEYS.items()]
        yield server.url


@dataclass(frozen=True)
class Somebody:
    """Who is signed in: any token that is believed in spite of what is wrong with it works."""

    id: str
    email: str
    session_token: str

    def published(self, algorithm: str = "EdDSA", *, kid: str | None = None, **claims: Any) -> str:
        """A JWT of Better Auth's `jwt` plugin."""
        return minted(
            {**OF_OURS, "sub": self.id, "email": self.email, **claims},
            key=KEYS[algorithm],
            algorithm=algorithm,
            kid=kid or algorithm,
            typ=None,
        )


@pytest.fixture(scope="module")
async def deployment(
    tmp_path_factory: pytest.TempPathFactory, jwks_url: str
) -> AsyncIterator[Deployment]:
    path = tmp_path_factory.mktemp("better-auth") / "better-auth.db"
    path.touch()
    url = f"sqlite:///{path}"
    async with deployed(LAYOUTS["kysely-sqlite"], url, BETTER_AUTH_JWKS_URL=jwks_url) as there:
        yield there


@pytest.fixture(scope="module")
async def somebody(deployment: Deployment) -> Somebody:
    user = await deployment.add_user()
    return Somebody(user.id, user.email, await deployment.sign_in(user))


@pytest.fixture
def better_auth(deployment: Deployment) -> BetterAuth:
    return deployment.better_auth


async def method_of(better_auth: BetterAuth, token: str, somebody: Somebody) -> Method:
    identity = await better_auth.resolve(token)
    assert identity.user.id == somebody.id
    return identity.method


@pytest.mark.parametrize("algorithm", KEYS)
async def test_jwts_of_published_keys_are_believed(
    better_auth: BetterAuth, somebody: Somebody, algorithm: str
) -> None:
    token = somebody.published(algorithm)

    assert await method_of(better_auth, token, somebody) is Method.PUBLISHED_KEY_JWT


SHARED_SECRET_CLAIMS: dict[str, Callable[[Somebody], dict[str, Any]]] = {
    "sub": lambda who: {"sub": who.id},
    "user_id": lambda who: {"user_id": who.id, "email": "old@example.com"},
    "identity": lambda who: {"identity": who.id, "type": "access"},
    "its issuer": lambda who: {"sub": who.id, "iss": ISSUER, "aud": "anybody"},
    "a fraction of a second": lambda who: {"sub": who.id, "exp": FAR + 0.5},
    "just expired": lambda who: {"sub": who.id, "exp": int(MovableClock()().timestamp()) - 2},
    "e-mail alone": lambda who: {"email": who.email},
    "e-mail in capitals": lambda who: {"email": who.email.upper(), "iss": ISSUER},
}


@pytest.mark.parametrize("name", SHARED_SECRET_CLAIMS)
async def test_jwts_of_the_shared_secret_are_believed(
    better_auth: BetterAuth, somebody: Somebody, name: str
) -> None:
    claims = SHARED_SECRET_CLAIMS[name](somebody)

    await method_of(better_auth, minted(claims), somebody)


@pytest.mark.parametrize("padding", ["", "="])
@pytest.mark.parametrize("alphabet", ["+/", "-_"])
async def test_signatures_of_session_tokens_are_taken_as_better_auth_takes_them(
    better_auth: BetterAuth, somebody: Somebody, alphabet: str, padding: str
) -> None:
    raw, _, signature = signed(somebody.session_token).partition(".")
    respelt = signature.rstrip("=").translate(str.maketrans("+/", alphabet)) + padding

    await method_of(better_auth, f"{raw}.{respelt}", somebody)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{segment(header)}.{segment(claims)}."


def hmac_with_public_key(who: Somebody) -> str:
    """The old confusion: an HMAC whose secret is the public key, which libraries will not make."""
    pem = KEYS["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = unsigned({"alg": "HS256", "kid": "RS256"}, {**OF_OURS, "sub": who.id, "exp": FAR})
    return head + base64url(hmac.digest(pem, head[:-1].encode(), "sha256"))


def respelt(token: str) -> str:
    """The same bytes: the last character of 32 bytes in base64url has two bits to spare."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


REFUSED: dict[str, Callable[[Somebody], str]] = {
    "nothing": lambda _: "",
    "not ASCII": lambda who: who.session_token + "é",
    "too long": lambda who: signed(who.session_token) + "=" * 8192,
    "raw: too short": lambda who: who.session_token[:15],
    "raw: %00": lambda who: who.session_token + "%00",
    "raw: quotation mark": lambda who: who.session_token + "'",
    "raw: like": lambda who: who.session_token[:-1] + "%",
    "raw: line feed": lambda who: who.session_token + "\n",
    "signed: nothing": lambda who: who.session_token + ".",
    "signed: another secret": lambda who: signed(who.session_token, SECRET[::-1]),
    "signed: another token's": lambda who: (
        who.session_token + "." + signed(random_text()).partition(".")[2]
    ),
    "signed: %00": lambda who: quote(signed(who.session_token + "\x00"), safe=""),
    "signed: half a surrogate": lambda who: quote(signed(who.session_token), safe="") + "%ED%A0%80",
    "signed: encoded twice": lambda who: quote(quote(signed(who.session_token), safe=""), safe=""),
    "signed: a dot inside": lambda who: quote(signed(who.session_token + ".x"), safe="").replace(
        ".x", "%2Ex"
    ),
    "signed: stray bits": lambda who: signed(who.session_token)[:-2] + "_=",
    "signed: two paddings": lambda who: signed(who.session_token) + "=",
    "three dots": lambda who: minted({"sub": who.id}) + ".",
    "JWE": lambda who: minted({"sub": who.id}) + ".AAAA.AAAA",
    "JWT: another secret": lambda who: minted({"sub": who.id}, key=SECRET[::-1]),
    "JWT: no signature": lambda who: unsigned({"alg": "HS256"}, {"sub": who.id, "exp": FAR}),
    "JWT: none": lambda who: unsigned({"alg": "none"}, {"sub": who.id, "exp": FAR}),
    "JWT: respelt": lambda who: respelt(minted({"sub": who.id})),
    "JWT: padded": lambda who: minted({"sub": who.id}) + "=",
    "JWT: percent-encoded": lambda who: minted({"sub": who.id}).replace("e", "%65", 1),
    "JWT: a line feed": lambda who: minted({"sub": who.id}) + "\n",
    "JWT: HS512": lambda who: minted({"sub": who.id}, algorithm="HS512"),
    "JWT: HS512 called HS256": lambda who: minted({"sub": who.id}, algorithm="HS512", alg="HS256"),
    "JWT: HS256 called EdDSA": lambda who: minted({"sub": who.id}, alg="EdDSA", kid="EdDSA"),
    "JWT: public key as secret": hmac_with_public_key,
    "JWT: crit": lambda who: minted({"sub": who.id}, crit=["exp"]),
    "JWT: b64": lambda who: minted({"sub": who.id}, b64=True),
    "JWT: foreign typ": lambda who: minted({"sub": who.id}, typ="better-auth.session-cache+jwt"),
    "JWT: typ of access tokens": lambda who: minted({"sub": who.id}, typ="at+jwt"),
    "JWT: typ no text": lambda who: minted({"sub": who.id}, typ=["JWT"]),
    "exp: missing": lambda who: jwt.encode({"sub": who.id}, SECRET),
    "exp: expired": lambda who: minted({"sub": who.id, "exp": 1_700_000_000}),
    "exp: text": lambda who: minted({"sub": who.id, "exp": str(FAR)}),
    "exp: true": lambda who: minted({"sub": who.id, "exp": True}),
    "exp: not a number": lambda who: minted({"sub": who.id, "exp": float("nan")}),
    "exp: infinite": lambda who: minted({"sub": who.id, "exp": float("inf")}),
    "iat: in the future": lambda who: minted({"sub": who.id, "iat": FAR, "exp": FAR + 1}),
    "nbf: in the future": lambda who: minted({"sub": who.id, "nbf": FAR, "exp": FAR + 1}),
    "iss: another": lambda who: minted({"sub": who.id, "iss": "https://evil.example.com"}),
    "iss: no text": lambda who: minted({"sub": who.id, "iss": None}),
    "sub: integer": lambda who: minted({"sub": 7, "email": who.email}),
    "sub: null": lambda who: minted({"sub": None, "email": who.email}),
    "sub: empty": lambda who: minted({"sub": "", "email": who.email}),
    "sub: true": lambda who: minted({"sub": True, "email": who.email}),
    "sub: list": lambda who: minted({"sub": [who.id]}),
    "sub: NUL": lambda who: minted({"sub": who.id + "\0"}),
    "sub: half a surrogate": lambda who: minted({"sub": who.id + "\ud800"}),
    "email: missing": lambda _: minted({"name": "Ada"}),
    "email: no text": lambda who: minted({"email": [who.email]}),
    "email: NUL": lambda who: minted({"email": who.email + "\0"}),
    "email: half a surrogate": lambda who: minted({"email": who.email + "\ud800"}),
    "cookie cache: no token": lambda who: minted({"session": {"token": None}, "sub": who.id}),
    "cookie cache: %00": lambda who: minted(
        {"session": {"token": who.session_token + "\0"}, "sub": who.id}
    ),
    "purpose: e-mail link": lambda who: minted({"email": who.email}, typ=None),
    "purpose: change of e-mail": lambda who: minted(
        {"email": who.email, "updateTo": "new@example.com"}, typ=None
    ),
    "purpose: request": lambda who: minted(
        {"email": who.email, "sub": who.id, "requestType": "change-email-verification"}
    ),
    "purpose: refresh": lambda who: minted({"sub": who.id, "type": "refresh"}),
    "purpose: token_type": lambda who: minted({"sub": who.id, "token_type": "refresh"}),
    "published: another iss": lambda who: who.published(iss="https://evil.example.com"),
    "published: another aud": lambda who: who.published(aud="https://evil.example.com"),
    "published: many other auds": lambda who: who.published(aud=[ISSUER + "/x", ISSUER + "."]),
    "published: no aud": lambda who: who.published(aud=None),
    "published: refresh": lambda who: who.published(type="refresh"),
    "published: unknown kid": lambda who: who.published(kid="unknown"),
    "published: kid of another algorithm": lambda who: who.published(kid="ES256"),
    "published: no kid": lambda who: minted(
        {**OF_OURS, "sub": who.id}, key=KEYS["EdDSA"], algorithm="EdDSA"
    ),
    "published: another key": lambda who: minted(
        {**OF_OURS, "sub": who.id}, key=Ed25519PrivateKey.generate(), algorithm="EdDSA", kid="EdDSA"
    ),
    "published: its own key in the header": lambda who: minted(
        {**OF_OURS, "sub": who.id},
        key=(own := Ed25519PrivateKey.generate()),
        algorithm="EdDSA",
        jwk=get_default_algorithms()["EdDSA"].to_jwk(own.public_key(), as_dict=True),
    ),
    "published: RS256 as PS256": lambda who: minted(
        {**OF_OURS, "sub": who.id}, key=KEYS["RS256"], algorithm="PS256", kid="RS256"
    ),
    "published: session cache": lambda who: minted(
        {**OF_OURS, "session": {"token": who.session_token}},
        key=KEYS["EdDSA"],
        algorithm="EdDSA",
        kid="EdDSA",
        typ="better-auth.session-cache+jwt",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_wrong_in_any_way_is_refused(
    better_auth: BetterAuth, somebody: Somebody, name: str
) -> None:
    with pytest.raises(InvalidBetterAuthToken):
        await better_auth.resolve(REFUSED[name](somebody))


async def test_garbage_is_refused_and_nothing_else_happens(better_auth: BetterAuth) -> None:
    deep = base64url(b"[" * 5000)
    digits = base64url(b'{"exp":' + b"9" * 5000 + b"}")
    for token in ("..", "a.b.c", "%", "%.%", ".", f"{deep}.e30.AAAA", f"{digits}.e30.AAAA"):
        with pytest.raises(InvalidBetterAuthToken):
            await better_auth.resolve(token)


async def test_a_sub_can_be_demanded(deployment: Deployment, somebody: Somebody) -> None:
    changes = {"BETTER_AUTH_DATABASE_URL": deployment.url, "BETTER_AUTH_REQUIRE_SUB": True}
    async with trusting(MovableClock(), **changes) as strict:
        await method_of(strict, minted({"sub": somebody.id}), somebody)
        await method_of(strict, somebody.session_token, somebody)
        with pytest.raises(InvalidBetterAuthToken):
            await strict.resolve(minted({"email": somebody.email}))


async def test_an_audience_that_is_set_is_the_one_that_counts(
    deployment: Deployment, somebody: Somebody, jwks_url: str
) -> None:
    changes = {
        "BETTER_AUTH_DATABASE_URL": deployment.url,
        "BETTER_AUTH_JWKS_URL": jwks_url,
        "BETTER_AUTH_AUDIENCE": "us",
    }
    async with trusting(MovableClock(), **changes) as for_us:
        await method_of(for_us, somebody.published(aud=["us", ISSUER]), somebody)
        for token in (somebody.published(), minted({"sub": somebody.id, "aud": "them"})):
            with pytest.raises(InvalidBetterAuthToken):
                await for_us.resolve(token)


async def test_without_an_issuer_only_verified_addresses_of_unknown_ones_count(
    deployment: Deployment, somebody: Somebody, jwks_url: str
) -> None:
    changes = {
        "BETTER_AUTH_DATABASE_URL": deployment.url,
        "BETTER_AUTH_JWKS_URL": jwks_url,
        "BETTER_AUTH_ISSUER": None,
    }
    claims = {"email": somebody.email, "iss": "https://anybody.example.com"}
    async with trusting(MovableClock(), **changes) as lenient:
        await method_of(lenient, minted({**claims, "emailVerified": True}), somebody)
        await method_of(lenient, somebody.published(), somebody)
        for verified in (False, "true", None):
            with pytest.raises(InvalidBetterAuthToken):
                await lenient.resolve(minted({**claims, "emailVerified": verified}))


async def test_keys_that_cannot_be_fetched_are_our_fault_and_secrets_work_without(
    deployment: Deployment, somebody: Somebody
) -> None:
    changes = {
        "BETTER_AUTH_DATABASE_URL": deployment.url,
        "BETTER_AUTH_ISSUER": f"http://127.0.0.1:{free_port()}",
    }
    async with trusting(MovableClock(), **changes) as alone:
        with pytest.raises(KeysUnreachable):
            await alone.resolve(somebody.published())
        await method_of(alone, minted({"sub": somebody.id}), somebody)


async def test_an_issuer_that_could_be_overheard_is_not_asked_for_keys(
    deployment: Deployment, somebody: Somebody, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {
        "BETTER_AUTH_DATABASE_URL": deployment.url,
        "BETTER_AUTH_ISSUER": "http://auth.example.com",
    }
    async with trusting(MovableClock(), **changes) as careful:
        assert caplog.messages == ["better-auth-keys-not-fetched"]
        with pytest.raises(InvalidBetterAuthToken):
            await careful.resolve(somebody.published(iss="http://auth.example.com"))
        await method_of(careful, minted({"sub": somebody.id}), somebody)


async def test_a_weak_secret_is_warned_of_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    async with trusting(MovableClock(), BETTER_AUTH_SECRET="correct-but-short"):
        assert caplog.messages == ["better-auth-secret-is-weak"]
    (record,) = caplog.records
    assert "correct-but-short" not in str(vars(record))


async def test_without_the_secret_nothing_that_it_signs_is_believed(
    deployment: Deployment, somebody: Somebody, jwks_url: str
) -> None:
    changes = {
        "BETTER_AUTH_DATABASE_URL": deployment.url,
        "BETTER_AUTH_JWKS_URL": jwks_url,
        "BETTER_AUTH_SECRET": None,
    }
    async with trusting(MovableClock(), **changes) as keys_alone:
        await method_of(keys_alone, somebody.published(), somebody)
        await method_of(keys_alone, somebody.session_token, somebody)
        for token in (signed(somebody.session_token), minted({"sub": somebody.id})):
            with pytest.raises(InvalidBetterAuthToken):
                await keys_alone.resolve(token)


async def test_jwts_expire_by_the_clock(
    deployment: Deployment, better_auth: BetterAuth, somebody: Somebody
) -> None:
    token = minted({"sub": somebody.id})
    deployment.clock.passed = timedelta(minutes=16)
    try:
        with pytest.raises(InvalidBetterAuthToken):
            await better_auth.resolve(token)
    finally:
        deployment.clock.passed = timedelta()
