"""Tokens of a trusted issuer that are signed well and still refused; what its rules say."""

import base64
import json
import math
import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from src.issuers.compact import TokenRefused
from src.issuers.trusted import TrustedIssuers
from tests.issuers.minting import issuers_of, secret_entry

KEY = secrets.token_urlsafe(48)
NOW = int(time.time())
GOOD: dict[str, Any] = {"sub": "7", "iat": NOW, "exp": NOW + 300}


@pytest.fixture
def issuers(tmp_path: Path) -> TrustedIssuers:
    return trusting(tmp_path)


def trusting(folder: Path, **members: Any) -> TrustedIssuers:
    entry = secret_entry("backend", KEY, **members)
    return issuers_of(folder / "issuers.json", lambda: datetime.fromtimestamp(NOW, UTC), entry)


def signed(claims: Any, header: dict[str, Any] | None = None) -> str:
    """Whatever it is that is signed: no library would."""
    parts = ({"alg": "HS256", "typ": "JWT"} | (header or {}), claims)
    texts = [p if isinstance(p, str) else json.dumps(p) for p in parts]
    body = b".".join(_base64url(text.encode("utf-8", "surrogatepass")) for text in texts)
    hmac = jwt.get_algorithm_by_name("HS256")
    return (body + b"." + _base64url(hmac.sign(body, KEY.encode()))).decode()


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def but(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    "claims",
    [
        GOOD,
        without("iat"),
        GOOD | {"sub": 7},
        GOOD | {"sub": 0},
        GOOD | {"sub": "Ada Lovelace, 1815"},
        GOOD | {"nbf": NOW},
        GOOD | {"iat": NOW + 0.25, "exp": NOW + 300.75},
        GOOD | {"type": "access", "token_type": "access"},
        GOOD | {"typ": "Bearer"},
        GOOD | {"jti": None, "unknown": {"a": [1]}},
    ],
)
async def test_good_claims_are_accepted(issuers: TrustedIssuers, claims: dict[str, Any]) -> None:
    verified = await issuers.verify(signed(claims))
    assert verified.about.subject == str(claims["sub"])
    assert verified.about.expires_at == datetime.fromtimestamp(claims["exp"], UTC)


@pytest.mark.parametrize("header", [{}, {"typ": "jwt"}, {"typ": "at+jwt"}, {"kid": "any", "x": 1}])
async def test_good_headers_are_accepted(issuers: TrustedIssuers, header: dict[str, Any]) -> None:
    assert await issuers.verify(signed(GOOD, header))


SUBJECTS: list[Any] = ["", None, True, False, 7.0, -1, 2**63, [7], {}]
EXPIRIES: list[Any] = [NOW - 11, 0, -1, str(NOW + 300), None, True, [], math.inf, math.nan]
BAD_CLAIMS: list[Any] = [
    [GOOD],
    "{",
    "NaN",
    json.dumps(GOOD) + "\ud800",
    "[" * 3_000,
    *(but(sub=subject) for subject in SUBJECTS),
    *(but(sub=subject) for subject in ("x" * 256, "a\x00b", "a\nb", "a\u202eb", "\ud800")),
    without("sub"),
    without("exp"),
    *(but(exp=expiry) for expiry in EXPIRIES),
    *(but(exp=expiry) for expiry in (NOW + 3602, 1e300, 10**400, 10**15)),
    *(but(iat=issued) for issued in (NOW + 30, NOW - 3600, "now", None, True, math.nan)),
    *(but(iat=issued) for issued in (NOW + 301, -1, math.inf)),
    *(but(nbf=start) for start in (NOW + 30, "now", None, True, math.inf)),
    without("iat") | {"exp": NOW + 3620},
    but(iss="somebody"),
    but(iss=None, aud=None, sub=None),
    but(iss=["x"]),
    but(aud="somebody"),
    but(aud=[]),
    *(but(**{name: "refresh"}) for name in ("type", "token_type", "token_use")),
    *(but(type=kind) for kind in ("service", "", "ACCESS", None, True, ["access"])),
    but(typ="Refresh"),
    but(typ="ID"),
]


@pytest.mark.parametrize("claims", BAD_CLAIMS, ids=range(len(BAD_CLAIMS)))
async def test_bad_claims_are_refused(issuers: TrustedIssuers, claims: Any) -> None:
    with pytest.raises(TokenRefused):
        await issuers.verify(signed(claims))


BAD_HEADERS: list[dict[str, Any]] = [
    {"crit": ["exp"]},
    {"crit": []},
    {"b64": False, "crit": ["b64"]},
    {"zip": "DEF"},
    {"enc": "A256GCM"},
    *({"typ": kind} for kind in ("rt+jwt", "better-auth.session-cache+jwt", "JOSE", "", None, 7)),
    *({"alg": name} for name in ("none", "None", "", "HS512", "HS384", "hs256", "RS256", "ES256")),
    *({"alg": name} for name in (None, ["HS256"], {"HS256": 1}, 256, True)),
    {"kid": 7},
    {"kid": ["a"]},
    {"kid": {}},
    {"kid": True},
]


@pytest.mark.parametrize("header", BAD_HEADERS, ids=str)
async def test_bad_headers_are_refused(issuers: TrustedIssuers, header: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        await issuers.verify(signed(GOOD, header))


def respelt(text: str) -> str:
    """The same bytes, with another of the bits that the last character has to spare."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


async def test_bad_shapes_are_refused(issuers: TrustedIssuers) -> None:
    token = signed(GOOD)
    head, claims, signature = token.split(".")
    for shape in (
        "",
        head,
        f"{head}.{claims}",
        f"{head}.{claims}.",
        f".{claims}.{signature}",
        f"{head}.{claims}.{signature}.a",
        f"{head}..{claims}.{signature}.a",
        f"{token}=",
        f"{token}\n",
        f" {token}",
        f"{token}é",
        f"{head}.{claims}.{respelt(signature)}",
        f"{head}.{claims}.{signature[:-4]}",
        f"{claims}.{head}.{signature}",
        "eyJhbGciOiJub25lIn0." + claims + ".AA",
        signed(GOOD | {"padding": "x" * 8192}),
        json.dumps({"payload": claims, "protected": head, "signature": signature}),
    ):
        with pytest.raises(TokenRefused):
            await issuers.verify(shape)


@pytest.mark.parametrize(
    ("members", "good", "bad"),
    [
        ({"issuer": "urn:a"}, [{"iss": "urn:a"}], [{}, {"iss": "urn:b"}, {"iss": ["urn:a"]}]),
        (
            {"audience": "here"},
            [{"aud": "here"}, {"aud": ["there", "here"]}],
            [{}, {"aud": "there"}, {"aud": "where it is here"}, {"aud": []}, {"aud": {"here": 1}}],
        ),
        ({"subject_claim": "user_id"}, [{"user_id": "7"}, {"user_id": 7}], [{}, {"id": "7"}]),
        ({"subject_claim": "identity"}, [{"identity": "7"}], [{}, {"identity": {"id": 7}}]),
        ({"required_claims": ["jti"]}, [{"jti": "a"}, {"jti": 0}], [{}, {"jti": None}]),
        (
            {"required_claims": {"tenant": 1, "staff": True}},
            [{"tenant": 1, "staff": True}],
            [{"tenant": 1}, {"tenant": True, "staff": True}, {"tenant": "1", "staff": True}],
        ),
        (
            {"subject_claim": "email"},
            [
                {"email": "7", "email_verified": True},
                {"email": "7", "emailVerified": True, "sub": None},
            ],
            [
                {"email": "7"},
                {"email": "7", "email_verified": False, "emailVerified": True},
                {"email": "7", "email_verified": "true"},
                {"email": "7", "updateTo": "8", "requestType": "change-email-verification"},
            ],
        ),
    ],
)
async def test_an_issuers_own_rules_hold(
    tmp_path: Path, members: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    issuers = trusting(tmp_path, **members)
    for claims in good:
        assert (await issuers.verify(signed(GOOD | claims))).about.subject == "7"
    for claims in bad:
        with pytest.raises(TokenRefused):
            await issuers.verify(signed(GOOD | claims))


async def test_an_address_as_subject_is_taken_in_lower_case(tmp_path: Path) -> None:
    issuers = trusting(tmp_path, subject_claim="email")
    token = signed(GOOD | {"email": "Ada@Example.com", "email_verified": True})
    assert (await issuers.verify(token)).about.subject == "ada@example.com"


async def test_a_week_is_the_longest_life_that_can_be_allowed(tmp_path: Path) -> None:
    issuers = trusting(tmp_path, max_lifetime_hours=168)
    week = int(timedelta(days=7).total_seconds())
    assert await issuers.verify(signed(GOOD | {"exp": NOW + week}))
    with pytest.raises(TokenRefused, match="lives too long"):
        await issuers.verify(signed(GOOD | {"exp": NOW + week + 2}))
