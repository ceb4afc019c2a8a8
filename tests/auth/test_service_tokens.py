"""Service tokens: which are good, whoever minted them, and which are not."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from src.auth.key_ring import TokenRejected
from src.auth.service_tokens import (
    CustomerMissing,
    ServiceTokens,
    TokenExpired,
    canonical_customer_id,
    generate_service_token,
)
from tests.clients import PLAIN_HEADER, claims_for, minted
from tests.conftest import make_settings
from tests.tokens import claims_of, encoded, header_of, segment, sign_segments, signed

SECRET = secrets.token_urlsafe(48)
HOUR, DAY = 3600, 86_400
NOW = int(time.time())


@pytest.fixture
def tokens() -> ServiceTokens:
    return tokens_at(datetime.now(UTC))


def tokens_at(moment: datetime, *, secret: str = SECRET) -> ServiceTokens:
    return ServiceTokens(
        secret=secret,
        issuer="latchkey",
        audience="latchkey-api",
        clock=lambda: moment,
    )


def test_ours_say_who_made_them_for_whom_and_for_how_long(tokens: ServiceTokens) -> None:
    text = tokens.mint("acme", client_id="a-client")

    claims = claims_of(text)
    assert header_of(text) == {"alg": "HS256", "typ": "JWT"}
    assert {n: v for n, v in claims.items() if n not in ("jti", "iat", "exp")} == {
        "iss": "latchkey",
        "type": "service",
        "customer_id": "acme",
        "client_id": "a-client",
    }
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert len(claims["jti"]) >= 22
    verified = tokens.verify(text)
    assert (verified.customer_id, verified.client_id) == ("acme", "a-client")
    assert verified.expires_at == datetime.fromtimestamp(claims["exp"], UTC)


@pytest.mark.parametrize(
    ("customer_id", "canonical"),
    [("acme", "acme"), ("1", "1"), (1, "1"), (0, "0"), ("01", "01"), (2**63 - 1, str(2**63 - 1))],
)
def test_a_number_is_the_same_customer_as_its_digits(
    tokens: ServiceTokens, customer_id: object, canonical: str
) -> None:
    assert tokens.verify(minted(SECRET, customer_id)).customer_id == canonical


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"iat": None},
        {"exp": NOW + DAY - 60},
        {"iss": "latchkey", "type": "service"},
        {"aud": "latchkey-api"},
        {"aud": ["other", "latchkey-api"]},
        {"nbf": NOW - 5},
        {"sub": "whatever", "extra": {"deep": [1]}},
    ],
)
def test_those_of_other_services_are_good(tokens: ServiceTokens, change: dict[str, Any]) -> None:
    assert tokens.verify(minted(SECRET, 42, **change)).customer_id == "42"


@pytest.mark.parametrize(
    "change",
    [
        {"exp": None},
        {"exp": str(NOW + 60)},
        {"exp": float(NOW + 60)},
        {"exp": True},
        {"exp": [NOW]},
        {"exp": 10**30},
        {"exp": NOW + DAY + HOUR},
        {"exp": NOW + DAY + HOUR, "iat": None},
        {"iat": NOW - DAY, "exp": NOW + HOUR},
        {"iat": -(10**30)},
        {"iat": 0},
        {"iat": NOW + HOUR},
        {"iat": "now"},
        {"nbf": NOW + HOUR},
        {"nbf": "now"},
        {"type": "access"},
        {"type": "refresh"},
        {"type": ["service"]},
        {"iss": "elsewhere"},
        {"iss": ["latchkey"]},
        {"aud": "elsewhere"},
        {"aud": []},
        {"aud": {"latchkey-api": 1}},
        {"jti": 7},
        {"client_id": {}},
        {"customer_id": True},
        {"customer_id": 1.0},
        {"customer_id": -1},
        {"customer_id": 2**63},
        {"customer_id": ["acme"]},
        {"customer_id": {"id": "acme"}},
        {"customer_id": " acme"},
        {"customer_id": "ac me"},
        {"customer_id": "acme\x00"},
        {"customer_id": "acm\u00e9"},
        {"customer_id": "\ud800"},
        {"customer_id": "a" * 65},
    ],
)
def test_a_bad_claim_spoils_a_token(tokens: ServiceTokens, change: dict[str, Any]) -> None:
    with pytest.raises(TokenRejected) as verdict:
        tokens.verify(minted(SECRET, **change))
    assert type(verdict.value) is TokenRejected


@pytest.mark.parametrize("customer_id", [None, ""])
def test_a_token_without_a_customer_is_told_apart(tokens: ServiceTokens, customer_id: str) -> None:
    with pytest.raises(CustomerMissing):
        tokens.verify(minted(SECRET, customer_id))


def test_an_expired_token_is_told_apart_from_the_tenth_second_on() -> None:
    text = minted(SECRET)
    expires = datetime.fromtimestamp(claims_of(text)["exp"], UTC)
    assert tokens_at(expires + timedelta(seconds=9)).verify(text)
    with pytest.raises(TokenExpired):
        tokens_at(expires + timedelta(seconds=10)).verify(text)


def hostile() -> dict[str, str]:
    """Texts that are no service tokens, by what is wrong with them."""
    good = minted(SECRET)
    header, claims, signature = good.split(".")
    body = claims_for("acme")

    def with_header(**change: object) -> str:
        return signed(body, {**PLAIN_HEADER, **change}, secret=SECRET)

    return {
        "empty": "",
        "two segments": f"{header}.{claims}",
        "four segments": f"{good}.a",
        "five segments": f"{good}.a.b",
        "too long": minted(SECRET, pad="a" * 4096),
        "not ASCII": "é.é.é",
        "lone surrogate": "\ud800",
        "blank": f" {good}",
        "wrong key": minted(secrets.token_urlsafe(48)),
        "blank key": signed(body, PLAIN_HEADER, secret=""),
        "none": f"{segment({'alg': 'none'})}.{claims}.",
        "none, signed": with_header(alg="none"),
        "None": with_header(alg="None"),
        "no signature": f"{header}.{claims}.",
        "HS384": signed(body, {"alg": "HS384", "typ": "JWT"}, secret=SECRET, digest="sha384"),
        "HS512": signed(body, {"alg": "HS512", "typ": "JWT"}, secret=SECRET, digest="sha512"),
        "hs256": with_header(alg="hs256"),
        "RS256": with_header(alg="RS256"),
        "a list of algorithms": with_header(alg=["HS256"]),
        "no algorithm": signed(body, {"typ": "JWT"}, secret=SECRET),
        "access token's typ": with_header(typ="at+jwt"),
        "typ is no text": with_header(typ=["JWT"]),
        "crit": with_header(crit=["exp"], exp=1),
        "known crit": with_header(crit=["b64"], b64=True),
        "b64 false": with_header(crit=["b64"], b64=False),
        "kid is no text": with_header(kid=7),
        "header is a list": signed(body, ["HS256"], secret=SECRET),
        "claims are a list": signed([body], PLAIN_HEADER, secret=SECRET),
        "claims are no JSON": sign_segments(header, encoded(b"{"), secret=SECRET),
        "claims are UTF-16": sign_segments(header, encoded("{}".encode("utf-16")), secret=SECRET),
        "deep header": sign_segments(encoded(b"[" * 2500), claims, secret=SECRET),
        "deep claims": sign_segments(header, encoded(b"[" * 2500), secret=SECRET),
        "padded signature": f"{good}=",
        "stray bits in the signature": good[:-1] + chr(ord(good[-1]) + 1),
        "junk in the signature": f"{header}.{claims}.{signature[:-2]}!!",
        "changed claims": f"{header}.{segment({**body, 'customer_id': 'other'})}.{signature}",
    }


@pytest.mark.parametrize("wrong", hostile())
def test_what_is_no_token_is_refused(tokens: ServiceTokens, wrong: str) -> None:
    with pytest.raises(TokenRejected):
        tokens.verify(hostile()[wrong])


def test_generated_in_process_they_are_those_of_the_settings() -> None:
    settings = make_settings(SERVICE_TOKEN_SECRET=SECRET)
    text = generate_service_token(42, settings=settings)
    assert tokens_at(datetime.now(UTC)).verify(text).customer_id == "42"
    assert "client_id" not in claims_of(text)
    with pytest.raises(ValueError, match="SERVICE_TOKEN_SECRET"):
        generate_service_token(42, settings=make_settings(SERVICE_TOKEN_SECRET=None))
    for nobody in ("", " ", True, -1, None):
        with pytest.raises(ValueError, match="customer's id"):
            generate_service_token(nobody, settings=settings)  # type: ignore[arg-type]


def test_a_customer_has_one_canonical_id() -> None:
    assert canonical_customer_id(7) == canonical_customer_id("7") == "7"
