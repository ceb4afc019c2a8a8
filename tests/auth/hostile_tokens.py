"""Access tokens that are none, each different from a good one in one thing; of any algorithm."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from tests.auth.token_keys import AnyKey, AsymmetricKey, new_keys
from tests.tokens import claims_of, decoded, encoded, header_of, segment, signed

TTL = timedelta(minutes=15)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ATTACKERS: Final = new_keys()
Cases = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Good:
    """A token that opens everything, in its parts, with the keys of both kinds of token."""

    token: str
    key: AnyKey
    refresh_token: str
    refresh_secret: str

    @property
    def claims(self) -> dict[str, Any]:
        return claims_of(self.token)

    @property
    def header(self) -> dict[str, Any]:
        return header_of(self.token)

    def sign(self, claims: object, header: object, digest: str = "sha256") -> str:
        return self.key.sign(segment(header), segment(claims), digest)

    def with_claims(self, **changes: object) -> str:
        return self.sign({**self.claims, **changes}, self.header)

    def with_header(self, **changes: object) -> str:
        return self.with_digest("sha256", **changes)

    def with_digest(self, digest: str, /, **changes: object) -> str:
        return self.sign(self.claims, {**self.header, **changes}, digest)

    def with_claims_text(self, text: str) -> str:
        return self.key.sign(segment(self.header), encoded(text.encode()))

    def with_header_text(self, text: str) -> str:
        return self.key.sign(encoded(text.encode()), segment(self.claims))


def algorithms(good: Good) -> Cases:
    head, body, signature = good.token.split(".")
    for alg in ("none", "None", "NONE", "nOnE"):
        yield f"alg {alg}, signed", good.with_header(alg=alg)
        unsigned = segment({**good.header, "alg": alg})
        yield f"alg {alg}, signature empty", f"{unsigned}.{body}."
        yield f"alg {alg}, signature of the good token", f"{unsigned}.{body}.{signature}"
    ours = str(good.header["alg"])
    known = {"HS256", "RS256", "ES256", "PS256", "EdDSA", "A128KW", "dir"} - {ours}
    for alg in (*sorted(known), ours.lower(), ours.capitalize(), f" {ours}"):
        yield f"alg {alg}", good.with_header(alg=alg)
    for odd in ([ours], {ours: 1}, "", None, 256, True):
        yield f"alg {odd!r}", good.with_header(alg=odd)
    family = str(good.header["alg"])[:2]
    for digest in good.key.other_digests:
        yield f"{digest} under our header", good.with_digest(digest)
    for digest in ("sha384", "sha512"):
        alg = f"{family}{digest[3:]}"
        yield alg, good.with_digest(digest, alg=alg)
    yield "no signature under our header", f"{head}.{body}."


def headers(good: Good) -> Cases:
    kids = ("", " ", "../../dev/null", "/etc/passwd", "' OR 1=1 --", "0", good.header["kid"] + "A")
    for kid in (*kids, None, 1, [good.header["kid"]]):
        yield f"kid {kid!r}", good.with_header(kid=kid)
    key = {"kty": "oct", "k": encoded(b"of an attacker"), "alg": "HS256"}
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
        yield f"no {missing}", good.sign(good.claims, rest)
    text = json.dumps(good.header, separators=(",", ":"))
    reordered = dict(reversed(good.header.items()))
    yield "members in another order", good.sign(good.claims, reordered)
    yield "blanks in the header", good.with_header_text(json.dumps(good.header, indent=1))
    yield "a member twice", good.with_header_text(text[:-1] + ',"alg":"HS256"}')
    for odd in ("", "{}", "[]", "null", "1", '"HS256"', "{", "\x00", '{"alg":"HS256"}'):
        yield f"header {odd!r}", good.with_header_text(odd)
    for depth in (500, 10_000):
        yield f"header nested {depth} deep", good.with_header_text("[" * depth + "]" * depth)
        yield f"header opened {depth} deep", good.with_header_text('{"a":' * (depth // 4))


def claims(good: Good) -> Cases:
    for missing in good.claims:
        rest = {k: v for k, v in good.claims.items() if k != missing}
        yield f"no {missing}", good.sign(rest, good.header)
    odd: dict[str, list[object]] = {
        "sub": [1, None, "", "admin", ["a"], True,
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
    wide = encoded(text.encode("utf-16")[:1200])
    yield "claims in UTF-16", good.key.sign(segment(good.header), wide)


def times(good: Good) -> Cases:
    now, ttl = int(time.time()), int(TTL.total_seconds())
    spans = {
        "expired": (now - ttl, now - 12),
        "expired long ago": (0, 10),
        "issued in the future": (now + 600, now + 630),
        "living a second too long": (now, now + ttl + 1),
        "living a year": (now, now + 31_536_000),
        "issued long ago": (now - 86_400, now + 60),
        "ended before it began": (now + 9, now + 8),
    }
    for name, (issued, expires) in spans.items():
        yield name, good.with_claims(iat=issued, exp=expires)


def signatures(good: Good) -> Cases:
    head, body, signature = good.token.split(".")
    message = f"{head}.{body}"
    last = ALPHABET.index(signature[-1])
    for stray in range(1, good.key.spellings):  # the same bytes, spelled otherwise
        respelled = signature[:-1] + ALPHABET[last + stray]
        assert decoded(respelled) == decoded(signature)
        yield f"respelled by {stray}", f"{message}.{respelled}"
    for junk in ("=", "==", "A", "AAAA", ".", " ", "\t", "%", "\x00", "\x7f", ",", ";", '"', "é"):
        yield f"{junk!r} after it", good.token + junk
        yield f"{junk!r} before it", junk + good.token
        yield f"{junk!r} inside it", f"{message}.{signature[:20]}{junk}{signature[20:]}"
    yield "cut by one", good.token[:-1]
    yield "longer by a byte", f"{message}.{encoded(decoded(signature) + bytes(1))}"
    yield "shorter by a byte", f"{message}.{encoded(decoded(signature)[:-1])}"
    yield "longer by a byte in front", f"{message}.{encoded(bytes(1) + decoded(signature))}"
    yield (
        "first character changed",
        f"{message}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
    )
    yield "zeros", f"{message}.{'A' * len(signature)}"
    highest = encoded(bytes([255]) * len(decoded(signature)))
    yield "the highest numbers", f"{message}.{highest}"
    yield "of other claims", f"{head}.{segment({**good.claims, 'roles': ['admin']})}.{signature}"
    yield "in the alphabet with + and /", f"{message}.{'+/' * 21}A"
    secrets = ("", " ", "secret", "changeme", "your-256-bit-secret", "a" * 32, "latchkey",
               good.refresh_secret, *good.key.guesses)  # fmt: skip
    for number, secret in enumerate(secrets):
        yield (
            f"our header, HMAC of secret {number}",
            signed(good.claims, good.header, secret=secret),
        )
        hmac = {**good.header, "alg": "HS256"}
        if hmac != good.header:
            yield f"alg HS256, HMAC of secret {number}", signed(good.claims, hmac, secret=secret)


def other_keys(good: Good) -> Cases:
    """Well signed, by somebody else."""
    for name, key in ATTACKERS.items():
        for alg in ("HS256", "ES256", "RS256"):
            header = {**good.header, "alg": alg}
            yield f"{name} under alg {alg}", key.sign(segment(header), segment(good.claims))
        own = {**good.header, "alg": key.algorithm, "jwk": key.jwk}
        yield f"{name} with its jwk", key.sign(segment(own), segment(good.claims))
        named = {**good.header, "alg": key.algorithm, "kid": key.built.kid}
        yield f"{name} with its kid", key.sign(segment(named), segment(good.claims))


def der_signature(good: Good) -> Cases:
    if isinstance(good.key, AsymmetricKey) and good.key.algorithm == "ES256":
        yield "in DER", good.key.sign_der(segment(good.header), segment(good.claims))


def shapes(good: Good) -> Cases:
    token, (head, body, signature) = good.token, good.token.split(".")
    for text in (".", "..", "...", "a", "a.b", "a.b.c", "null", "undefined", "[object Object]"):
        yield repr(text), text
    yield "one segment", head
    yield "two segments", f"{head}.{body}"
    yield "four segments", f"{token}.{signature}"
    yield "five segments", f"{head}.{body}.{signature}.{body}.{signature}"
    yield "an empty header", f".{body}.{signature}"
    yield "empty claims", f"{head}..{signature}"
    yield "detached claims", good.key.sign(head, "")
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


def kinds(good: Good) -> Cases:
    refresh = good.refresh_token
    refresh_claims, refresh_header = claims_of(refresh), header_of(refresh)
    yield "a refresh token", refresh
    claims, header = good.claims, good.header
    yield "refresh claims, our header", good.sign(refresh_claims, header)
    yield "refresh claims and header, our key", good.sign(refresh_claims, refresh_header)
    yield "our claims, refresh header, our key", good.sign(claims, refresh_header)
    yield "typed as a refresh token", good.with_claims(type="refresh")
    yield "for the refresh route", good.with_claims(aud=refresh_claims["aud"])
    for name, said in (("ours", header), ("the refresh token's", refresh_header)):
        yield f"refresh secret, header {name}", signed(claims, said, secret=good.refresh_secret)


GROUPS: list[Callable[[Good], Cases]] = [
    algorithms, headers, claims, times, signatures, der_signature, other_keys, shapes, kinds,
]  # fmt: skip


def hostile_tokens(good: Good) -> dict[str, str]:
    """All of them, by what is wrong with each."""
    return {f"{group.__name__}: {name}": token for group in GROUPS for name, token in group(good)}
