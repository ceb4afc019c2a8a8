"""Bodies that no honest client sends, for every route that takes JSON."""

import json
from dataclasses import dataclass
from typing import Any

from src.core.bodies import MAX_DEPTH

CANARY = "canary-7f3a-passphrase"


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    member: str  # one of its members that takes text
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ROUTES = [
    Route("POST", "/auth/signup", "password", {"email": "new@example.com", "password": CANARY}),
    Route("POST", "/auth/login", "password", {"email": "new@example.com", "password": CANARY}),
    Route("POST", "/auth/refresh", "refresh_token", {"refresh_token": CANARY}),
    Route("POST", "/auth/logout", "refresh_token", {"refresh_token": CANARY}),
    Route("PATCH", "/auth/me", "username", {"username": "ada"}),
    Route(
        "POST",
        "/auth/password",
        "new_password",
        {"current_password": "wrong", "new_password": CANARY},
    ),
    Route("POST", "/chat/message", "message", {"message": CANARY}),
    Route("POST", "/anatomy/records", "note", {"part": "femur", "kind": "note", "note": CANARY}),
]


def quoted(text: str) -> bytes:
    return json.dumps(text).encode()


def malformed(route: Route) -> dict[str, bytes]:
    """Bodies that are no single, well-formed JSON document in UTF-8 that all parsers agree on."""
    good = json.dumps(route.body).encode()
    start, name = good[:-1] + b",", quoted(route.member)
    first = good.split(b",")[0].rstrip(b"}")
    return {
        **{f"{n} for a member": start + b'"x":' + n.encode() + b"}" for n in (
            "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5_000, "-" + "9" * 200_000,
            "01", "+1", ".5", "0x10", "1_000", "nan", "undefined", "True", "'x'",
        )},
        "NaN alone": b"NaN",
        "1e999 alone": b"1e999",
        "a number of 5,000 digits alone": b"1" * 5_000,
        "NaN deep inside": start + b'"x":[{"y":[NaN]}]}',
        "binary": bytes(range(256)),
        "NUL alone": b"\x00",
        "gzip": b"\x1f\x8b\x08\x00" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "UTF-16 without mark": good.decode().encode("utf-16-le"),
        "UTF-32": good.decode().encode("utf-32"),
        "UTF-8 with a mark": b"\xef\xbb\xbf" + good,
        "UTF-7": b"+AHs-",
        "Latin-1": start + b'"x":"\xe9"}',
        "overlong UTF-8": start + b'"x":"\xc0\xaf"}',
        "a surrogate in UTF-8": start + b'"x":"\xed\xa0\x80"}',
        "beyond Unicode": start + b'"x":"\xf4\x90\x80\x80"}',
        "a raw NUL in a string": start + b'"x":"\x00"}',
        "a raw line break in a string": start + b'"x":"\n"}',
        "the same member twice": start + first[1:] + b"}",
        "the member twice, once escaped": start + b'"\\u%04x' % ord(route.member[0])
        + name[2:] + b':"x"}',
        "a member twice, nested": start + b'"x":{"a":1,"a":2}}',
        "a member twice, in a list": start + b'"x":[[{"a":1,"b":2,"a":1}]]}',
        "100,000 lists": b"[" * 100_000 + b"]" * 100_000,
        "100,000 lists, never closed": b"[" * 100_000,
        "100,000 lists in a member": start + b'"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "40,000 objects": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
        "40,000 objects, never closed": b'{"a":' * 40_000,
        "lists and objects by turns": b'[{"a":' * 30_000,
        "one level too deep": start + b'"x":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
        "truncated": good[:-1],
        "truncated in a string": good[:-2],
        "truncated in an escape": start + b'"x":"\\u12',
        "two documents": good + good,
        "junk after it": good + b"x",
        "a comma too many": good[:-1] + b",}",
        "a comment": b"/* */" + good,
        "callbacks": b"f(" + good + b")",
        "a form": b"email=a&password=b",
        "brackets and an open string of quotes": b"[]" * 40 + b'"' + b'\\"' * 100_000,
        "an open string of quotes, then depth": b'["' + b'\\"' * 100_000 + b"[" * 40,
        "closers without openers": b"]" * 100_000 + b"[" * 100_000,
        "blanks alone": b" " * 200_000,
    }  # fmt: skip


def misplaced(route: Route) -> dict[str, bytes]:
    """Well-formed, and still nothing that could be stored or meant."""
    good = json.dumps(route.body).encode()
    start = good[:-1] + b","
    values = {
        "a lone high surrogate": b'"%s\\ud800"', "a lone low surrogate": b'"%s\\udc00"',
        "surrogates the wrong way round": b'"%s\\udc00\\ud800"', "NUL": b'"%s\\u0000"',
    }  # fmt: skip
    canary = CANARY.encode()
    cases = {}
    for what, template in values.items():
        text = template % canary
        replaced = {**route.body, route.member: "@"}
        cases[f"{what} in a value"] = json.dumps(replaced).encode().replace(b'"@"', text)
        cases[f"{what} in a name"] = start + text + b":1}"
        cases[f"{what} in a nested value"] = start + b'"x":{"y":[' + text + b"]}}"
        cases[f"{what} in a nested name"] = start + b'"x":{"y":[{' + text + b":1}]}}"
    long_name = b'"' + b"n" * 200_000 + b'"'
    return {
        **cases,
        "NUL under a very long name": start + long_name + b':"\\u0000"}',
        "a very long name": start + long_name + b":1}",
        "very many names": start + b",".join(b'"%s%d":1' % (b"\xc3\xbc\\\\" * 9, n) for n in range(5_000)) + b"}",  # noqa: E501
        "a list": b"[" + good + b"]",
        "a string": quoted(CANARY),
        "a number": b"1",
        "true": b"true",
        "an unknown member": start + b'"x":1}',
        "another user": start + b'"user_id":"' + canary + b'"}',
        "a role": start + b'"role":"admin"}',
        "a prototype": start + b'"__proto__":{"roles":["admin"]}}',
        **{f"{str(value)[:20]} for text": json.dumps({**route.body, route.member: value}).encode()
           for value in (1, True, 1.5, [CANARY], {"$ne": CANARY}, 10**4000)},
    }  # fmt: skip
