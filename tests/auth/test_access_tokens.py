"""What is no access token of ours opens nothing. Each case differs from a good one in one thing."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from src.auth.models import User
from src.core.settings import Settings
from tests.conftest import PassTime
from tests.factories import Person, bearer, problem, sign_up
from tests.tokens import claims_of, decoded, encoded, header_of, segment, sign_segments, signed

Client = httpx.AsyncClient
Cases = dict[str, str]

TTL = timedelta(minutes=15)
LEEWAY = timedelta(seconds=10)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

REQUESTS: list[dict[str, Any]] = [
    {"method": "POST", "url": "/auth/verify"},
    {"method": "GET", "url": "/auth/me"},
    {"method": "POST", "url": "/chat/message", "json": {"message": "hello"}},
    {"method": "GET", "url": "/anatomy/"},
]


@dataclass(frozen=True)
class Good:
    """A token that opens everything, in its parts, with the secrets of both kinds of token."""

    person: Person
    secret: str
    refresh_secret: str

    @property
    def token(self) -> str:
        return self.person.access_token

    @property
    def claims(self) -> dict[str, Any]:
        return claims_of(self.token)

    @property
    def header(self) -> dict[str, Any]:
        return header_of(self.token)

    def with_claims(self, **changes: object) -> str:
        return signed({**self.claims, **changes}, self.header, secret=self.secret)

    def with_header(self, **changes: object) -> str:
        return self.with_digest("sha256", **changes)

    def with_digest(self, digest: str, /, **changes: object) -> str:
        header = {**self.header, **changes}
        return signed(self.claims, header, secret=self.secret, digest=digest)

    def with_claims_text(self, text: str) -> str:
        return sign_segments(segment(self.header), encoded(text.encode()), secret=self.secret)

    def with_header_text(self, text: str) -> str:
        return sign_segments(encoded(text.encode()), segment(self.claims), secret=self.secret)


@pytest.fixture
async def good(client: Client, settings: Settings) -> Good:
    return Good(
        await sign_up(client),
        settings.JWT_SECRET_KEY.get_secret_value(),
        settings.JWT_REFRESH_SECRET_KEY.get_secret_value(),
    )


async def answers(
    client: Client,
    headers: dict[str, str] | list[tuple[bytes, bytes]],
) -> list[httpx.Response]:
    return [await client.request(**request, headers=headers) for request in REQUESTS]


async def refused(client: Client, authorization: bytes) -> bool:
    """Whether every route answers 401 `invalid-token` as RFC 6750 §3 says."""
    for response in await answers(client, [(b"authorization", authorization)]):
        if response.status_code != 401 or problem(response) != "invalid-token":
            return False
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert len(response.content) < 4096
    return True


def algorithms(good: Good) -> Iterator[tuple[str, str]]:
    head, body, signature = good.token.split(".")
    for alg in ("none", "None", "NONE", "nOnE"):
        yield f"alg {alg}, signed", good.with_header(alg=alg)
        unsigned = segment({**good.header, "alg": alg})
        yield f"alg {alg}, signature empty", f"{unsigned}.{body}."
        yield f"alg {alg}, signature of the good token", f"{unsigned}.{body}.{signature}"
    for alg in ("RS256", "ES256", "PS256", "EdDSA", "A128KW", "dir", "hs256", "Hs256", " HS256"):
        yield f"alg {alg}", good.with_header(alg=alg)
    for odd in (["HS256"], {"HS256": 1}, "", None, 256, True):
        yield f"alg {odd!r}", good.with_header(alg=odd)
    for digest in ("sha384", "sha512", "sha1", "md5", "sha224", "sha3_256"):
        yield f"{digest} under the header HS256", good.with_digest(digest)
    yield "HS384", good.with_digest("sha384", alg="HS384")
    yield "HS512", good.with_digest("sha512", alg="HS512")
    yield "no signature under our header", f"{head}.{body}."


def headers(good: Good) -> Iterator[tuple[str, str]]:
    kids = ("", " ", "../../dev/null", "/etc/passwd", "' OR 1=1 --", "0", good.header["kid"] + "A")
    for kid in (*kids, None, 1, [good.header["kid"]]):
        yield f"kid {kid!r}", good.with_header(kid=kid)
    key = {"kty": "oct", "k": encoded(good.secret.encode()), "alg": "HS256"}
    extras: dict[str, object] = {
        "jwk": key, "jku": "https://evil.example/keys", "x5u": "https://evil.example/cert",
        "x5c": ["MIIB"], "x5t": "AAAA", "crit": ["exp"], "b64": False, "zip": "DEF", "cty": "JWT",
        "enc": "A256GCM", "p2c": 10**9, "epk": key, "unknown": 1,
    }  # fmt: skip
    for name, value in extras.items():
        yield f"{name} in the header", good.with_header(**{name: value})
    yield "unknown crit", good.with_header(crit=["urn:x"], **{"urn:x": True})
    yield "b64 false and critical", good.with_header(b64=False, crit=["b64"])
    for typ in ("JWT", "rt+jwt", "AT+JWT", "application/at+jwt", "", None, ["at+jwt"]):
        yield f"typ {typ!r}", good.with_header(typ=typ)
    for missing in ("alg", "kid", "typ"):
        rest = {k: v for k, v in good.header.items() if k != missing}
        yield f"no {missing}", signed(good.claims, rest, secret=good.secret)
    text = json.dumps(good.header, separators=(",", ":"))
    yield (
        "members in another order",
        signed(good.claims, dict(reversed(good.header.items())), secret=good.secret),
    )
    yield "blanks in the header", good.with_header_text(json.dumps(good.header, indent=1))
    yield "a member twice", good.with_header_text(text[:-1] + ',"alg":"HS256"}')
    for odd in ("", "{}", "[]", "null", "1", '"HS256"', "{", "\x00", '{"alg":"HS256"}'):
        yield f"header {odd!r}", good.with_header_text(odd)
    for depth in (500, 10_000):
        yield f"header nested {depth} deep", good.with_header_text("[" * depth + "]" * depth)
        yield f"header opened {depth} deep", good.with_header_text('{"a":' * (depth // 4))


def claims(good: Good) -> Iterator[tuple[str, str]]:
    for missing in good.claims:
        rest = {k: v for k, v in good.claims.items() if k != missing}
        yield f"no {missing}", signed(rest, good.header, secret=good.secret)
    odd: dict[str, list[object]] = {
        "sub": [1, None, "", str(uuid4()), str(UUID(int=0)), "admin", ["a"], True,
                good.claims["sub"].upper().replace("0", "O"), good.claims["sub"].replace("-", ""),
                f"{{{good.claims['sub']}}}", f"urn:uuid:{good.claims['sub']}",
                good.claims["sub"] + "\x00", good.claims["sub"] + " ", "' OR 1=1 --"],
        "sid": [1, None, "", ["a"], {"a": 1}, True],
        "jti": [1, None, "", ["a"], {"a": 1}, True],
        "type": ["refresh", "Access", "", None, ["access"], 1, True, "service"],
        "iss": ["evil", "", None, ["latchkey"], "latchkey ", "Latchkey", 1],
        "aud": ["latchkey", "", None, ["latchkey-api"], "latchkey-api/refresh", {"a": 1}],
        "roles": ["admin", None, [1], {"admin": True}, [["admin"]], True],
        "iat": ["1", None, True, [1], 1.5, {}, -1, 10**30, -(10**30)],
        "exp": [str(good.claims["exp"]), None, True, False, [good.claims["exp"]], {},
                good.claims["exp"] + 0.5, float(good.claims["exp"]), 0, -1, 10**30, -(10**30),
                float("nan"), float("inf"), float("-inf")],
    }  # fmt: skip
    for name, values in odd.items():
        for value in values:
            yield f"{name} {value!r}", good.with_claims(**{name: value})
    text = json.dumps(good.claims)
    exp = f'"exp": {good.claims["exp"]}'
    yield "exp 1e999", good.with_claims_text(text.replace(exp, '"exp": 1e999'))
    yield "exp of 900 digits", good.with_claims_text(text.replace(exp, '"exp": ' + "9" * 900))
    for document in ("", "[]", "null", "1", '"x"', "{}", "{", f"[{text}]", text + "x", "[" * 1200):
        yield f"claims {document[:20]!r}", good.with_claims_text(document)
    yield (
        "claims in UTF-16",
        sign_segments(
            segment(good.header), encoded(text.encode("utf-16")[:1200]), secret=good.secret
        ),
    )


def times(good: Good) -> Iterator[tuple[str, str]]:
    now, ttl = int(time.time()), int(TTL.total_seconds())
    spans = {
        "expired": (now - ttl, now - 12),
        "expired long ago": (0, 10),
        "issued in the future": (now + 30, now + 60),
        "living a second too long": (now, now + ttl + 1),
        "living a year": (now, now + 31_536_000),
        "issued long ago": (now - 86_400, now + 60),
        "ended before it began": (now + 9, now + 8),
    }
    for name, (issued, expires) in spans.items():
        yield name, good.with_claims(iat=issued, exp=expires)


def signatures(good: Good) -> Iterator[tuple[str, str]]:
    head, body, signature = good.token.split(".")
    message = f"{head}.{body}"
    last = ALPHABET.index(signature[-1])
    for stray in (1, 2, 3):  # the same 32 bytes, spelled otherwise
        respelled = signature[:-1] + ALPHABET[last + stray]
        assert decoded(respelled) == decoded(signature)
        yield f"respelled by {stray}", f"{message}.{respelled}"
    for junk in ("=", "==", "A", "AAAA", ".", " ", "\t", "%", "\x00", "\x7f", ",", ";", '"', "é"):
        yield f"{junk!r} after it", good.token + junk
        yield f"{junk!r} before it", junk + good.token
        yield f"{junk!r} inside it", f"{message}.{signature[:20]}{junk}{signature[20:]}"
    yield "cut by one", good.token[:-1]
    yield (
        "first character changed",
        f"{message}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
    )
    yield "zeros", f"{message}.{'A' * 43}"
    yield "of other claims", f"{head}.{segment({**good.claims, 'roles': ['admin']})}.{signature}"
    yield "in the alphabet with + and /", f"{message}.{'+/' * 21}A"
    secrets = ("", " ", "secret", "changeme", "your-256-bit-secret", "a" * 32, "latchkey",
               good.secret + "\n", good.secret[:-1], good.secret.swapcase(),
               good.refresh_secret)  # fmt: skip
    for secret in secrets:
        yield f"with the secret {secret[:8]!r}", signed(good.claims, good.header, secret=secret)


def shapes(good: Good) -> Iterator[tuple[str, str]]:
    token, (head, body, signature) = good.token, good.token.split(".")
    for text in (".", "..", "...", "a", "a.b", "a.b.c", "null", "undefined", "[object Object]"):
        yield repr(text), text
    yield "one segment", head
    yield "two segments", f"{head}.{body}"
    yield "four segments", f"{token}.{signature}"
    yield "five segments", f"{head}.{body}.{signature}.{body}.{signature}"
    yield "an empty header", f".{body}.{signature}"
    yield "empty claims", f"{head}..{signature}"
    yield "detached claims", sign_segments(head, "", secret=good.secret)
    yield "a JWE", f"{segment({'alg': 'dir', 'enc': 'A256GCM'})}..AAAA.AAAA.AAAA"
    flat = {"protected": head, "payload": body, "signature": signature}
    yield "flattened JSON serialisation", json.dumps(flat, separators=(",", ":"))
    general = {"payload": body, "signatures": [{"protected": head, "signature": signature}]}
    yield "JSON serialisation", json.dumps(general, separators=(",", ":"))
    yield "twice with a comma", f"{token},{token}"
    yield "twice with a blank", f"{token} {token}"
    yield "twice with a tab", f"{token}\t{token}"
    yield "as a parameter", f'token="{token}"'
    yield "percent-encoded", token.replace(".", "%2E")
    yield "upper case", token.upper()
    yield "over 2 KiB", good.with_claims(more="x" * 1600)
    yield "20 KiB", good.with_claims(more="x" * 20_000)
    yield "bytes beyond ASCII", "\xff\xfe" + token


def kinds(good: Good) -> Iterator[tuple[str, str]]:
    refresh = good.person.refresh_token
    refresh_claims, refresh_header = claims_of(refresh), header_of(refresh)
    yield "a refresh token", refresh
    forged = {
        "refresh claims, our header": (refresh_claims, good.header, good.secret),
        "refresh claims and header, our secret": (refresh_claims, refresh_header, good.secret),
        "our claims and header, refresh secret": (good.claims, good.header, good.refresh_secret),
        "our claims, refresh header and secret": (
            good.claims, refresh_header, good.refresh_secret),
        "our claims, refresh header, our secret": (good.claims, refresh_header, good.secret),
        "typed as a refresh token": (
            {**good.claims, "type": "refresh"}, good.header, good.secret),
        "for the refresh route": (
            {**good.claims, "aud": refresh_claims["aud"]}, good.header, good.secret),
    }  # fmt: skip
    for name, (said, header, secret) in forged.items():
        yield name, signed(said, header, secret=secret)


GROUPS: list[Callable[[Good], Iterator[tuple[str, str]]]] = [
    algorithms, headers, claims, times, signatures, shapes, kinds,
]  # fmt: skip


async def test_the_good_token_opens_everything_and_so_does_one_made_by_hand(
    client: Client,
    good: Good,
) -> None:
    by_hand = signed(good.claims, good.header, secret=good.secret)
    assert by_hand == good.token
    now = int(time.time())
    barely = good.with_claims(iat=now - 60, exp=now - 5)
    for token in (good.token, good.with_claims(more=1), good.with_claims(roles=[]), barely):
        assert [r.status_code for r in await answers(client, bearer(token))] == [200] * 4


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
async def test_every_other_token_is_refused_by_every_route(
    client: Client,
    good: Good,
    group: Callable[[Good], Iterator[tuple[str, str]]],
) -> None:
    accepted = [
        name
        for name, token in group(good)
        if not await refused(client, b"Bearer " + token.encode("latin-1"))
    ]
    assert accepted == []


async def test_there_are_enough_cases_and_none_is_the_good_token(good: Good) -> None:
    tokens = [token for group in GROUPS for _, token in group(good)]
    assert len(set(tokens)) > 250
    assert good.token not in tokens


async def test_a_header_nested_20_000_deep_is_too_large_to_be_read(client: Client) -> None:
    nested = encoded(b"[" * 20_000 + b"]" * 20_000)
    for response in await answers(client, bearer(f"{nested}.e30.AAAA")):
        assert problem(response) == "header-too-large"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
async def test_the_name_of_the_scheme_is_written_in_any_case(
    client: Client,
    good: Good,
    scheme: str,
) -> None:
    headers = {"Authorization": f"{scheme} {good.token}"}
    assert [r.status_code for r in await answers(client, headers)] == [200] * 4


@pytest.mark.parametrize(
    "template",
    ["Bearer\t{}", "Bearer  {}", "Bearer: {}", "Bearer={}", "Bearer,{}", "{}", "Token {}", "JWT {}",
     "Basic {}", "Bearer", "Bearer ", "Bearer Bearer {}", " Bearer {}", "Bearer {},", "Bearer {};",
     "Digest Bearer {}", "Bearer {} Bearer {}", "Bearer <{}>", "Bearer '{}'", "\x0bBearer {}"],
)  # fmt: skip
async def test_anything_but_one_blank_between_scheme_and_token_is_refused(
    client: Client,
    good: Good,
    template: str,
) -> None:
    authorization = template.replace("{}", good.token).encode("latin-1")
    for response in await answers(client, [(b"authorization", authorization)]):
        assert response.status_code == 401
        # Another scheme is no token, so RFC 6750 §3 wants no error code.
        assert problem(response) in {"invalid-token", "authentication-required"}


@pytest.mark.parametrize("order", [1, -1])
async def test_two_authorization_headers_are_refused_whichever_is_good(
    client: Client,
    good: Good,
    order: int,
) -> None:
    for other in (b"Bearer x", b"Basic Og==", b"", f"Bearer {good.token}".encode()):
        both = [(b"authorization", f"Bearer {good.token}".encode()), (b"authorization", other)]
        for response in await answers(client, both[::order]):
            assert response.status_code in (400, 401)


async def test_without_a_token_the_answer_names_the_scheme_and_no_error(client: Client) -> None:
    for response in await answers(client, {}):
        assert response.status_code == 401
        assert problem(response) == "authentication-required"
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "Authorization"])
async def test_a_token_anywhere_but_in_its_header_is_ignored(
    client: Client,
    good: Good,
    name: str,
) -> None:
    for request in REQUESTS:
        in_query = await client.request(**request, params={name: good.token})
        in_cookie = await client.request(**request, headers={"Cookie": f"{name}={good.token}"})
        other_header = {f"X-{name}": good.token, "Proxy-Authorization": f"Bearer {good.token}"}
        in_header = await client.request(**request, headers=other_header)
        for response in (in_query, in_cookie, in_header):
            assert problem(response) == "authentication-required"
    in_body = await client.post("/chat/message", json={"message": "hello", name: good.token})
    assert problem(in_body) == "authentication-required"
    form = await client.post("/auth/verify", data={name: good.token})
    assert problem(form) == "authentication-required"


async def test_a_token_holds_until_ten_seconds_after_its_end(
    client: Client,
    good: Good,
    pass_time: PassTime,
) -> None:
    await pass_time(TTL + LEEWAY - timedelta(seconds=3))
    assert [r.status_code for r in await answers(client, good.person.authorization)] == [200] * 4
    await pass_time(timedelta(seconds=5))
    assert await refused(client, f"Bearer {good.token}".encode())


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.mark.parametrize("name", ["jku", "x5u", "iss", "kid"])
async def test_no_address_in_a_token_is_ever_called(client: Client, good: Good, name: str) -> None:
    with listening() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        for token in (good.with_header(**{name: url}), good.with_claims(**{name: url, "sub": "x"})):
            assert await refused(client, f"Bearer {token}".encode())
        await asyncio.sleep(0.05)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("fate", ["deleted", "disabled"])
async def test_the_token_of_somebody_deleted_or_disabled_is_refused_within_a_second(
    client: Client,
    good: Good,
    engine: AsyncEngine,
    fate: str,
) -> None:
    assert (await client.get("/auth/me", headers=good.person.authorization)).status_code == 200
    whom = col(User.id) == UUID(good.claims["sub"])
    statement = delete(User) if fate == "deleted" else update(User).values(is_active=False)
    async with engine.begin() as connection:
        await connection.execute(statement.where(whom))
    await asyncio.sleep(1.1)
    assert await refused(client, f"Bearer {good.token}".encode())
