"""The public keys of an issuer elsewhere, as its JWK Set (RFC 7517) publishes them.

The one URL is the administrator's: what a token says (`jku`, `x5u`, `jwk`) is never followed.
"""

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from ssl import SSLContext
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK

from src.core.endpoints import is_overheard
from src.core.errors import ServiceUnavailable
from src.core.logging import log_event

FRESH_SECONDS: Final = 300.0
# An issuer that cannot be reached for longer may have withdrawn its keys long ago.
LONGEST_STALE_SECONDS: Final = 86_400.0
COOL_DOWN_SECONDS: Final = 2.0  # after a fetch, before the next one
MISSING_SECONDS: Final = 30.0  # for which a kid that was looked for in vain is not looked for again
MOST_MISSING: Final = 1_000
DEADLINE_SECONDS: Final = 3.0  # of a fetch as a whole: a server that drips is cut off as well
MOST_BYTES: Final = 256 * 1024
MOST_KEYS: Final = 100
MOST_KID_CHARACTERS: Final = 256
RSA_BITS: Final = range(2048, 8193)

# What a key may be used for follows from what it is; `alg` of a token is only compared with it.
_PINNED: Final = {
    ("OKP", "Ed25519"): "EdDSA",
    ("EC", "P-256"): "ES256",
    ("RSA", None): "RS256",
}
# RFC 9864's name for what RFC 8037 calls EdDSA.
_NAMES: Final = {"EdDSA": ("EdDSA", "Ed25519"), "ES256": ("ES256",), "RS256": ("RS256",)}
_PUBLIC_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e")


class KeysUnreachable(ServiceUnavailable):
    """The key was never seen, and the issuer cannot be asked for it."""


class JwksClient:
    """Keys by `kid`, cached. Made in the lifespan and closed with `aclose`.

    One fetch at a time serves all who wait, and the next one begins no sooner than 2 s later,
    whatever tokens say. With an issuer that cannot be reached, keys that were seen stay good for a
    day, and after the first failure nobody waits for them.
    """

    def __init__(self, url: str, *, now: Callable[[], float] = time.monotonic) -> None:
        """Raises: ValueError, without the URL, for one that is not safe to fetch keys from."""
        check_jwks_url(url)
        self._now = now
        self._url = url
        self._client = httpx2.AsyncClient(
            verify=_authorities(),
            timeout=DEADLINE_SECONDS,
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=0),
            # A decoder would have to unpack a bomb before its size could be told.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
        )
        self._keys: Mapping[str, PyJWK] = {}
        self._fetched_at = -float("inf")
        self._ended_at = -float("inf")  # the last attempt, whether it succeeded or not
        self._failed = False
        self._missing_until: OrderedDict[str, float] = OrderedDict()
        self._fetching: asyncio.Task[None] | None = None

    async def key_for(self, kid: str) -> PyJWK | None:
        """The key of this name, None when the issuer has none. Waits 3 s at most.

        Its `algorithm_name` (EdDSA, ES256 or RS256) is the only one that it may verify.
        Raises: `KeysUnreachable`.
        """
        if not 0 < len(kid) <= MOST_KID_CHARACTERS or self._is_missing(kid):
            return None
        if kid in self._keys and self._age() < FRESH_SECONDS:
            return self._keys[kid]
        fetch = self._fetch_if_due()
        if fetch and not (self._failed and self._usable(kid)):
            await asyncio.shield(fetch)  # who leaves does not take the others' answer away
        key = self._usable(kid)
        if key is None and self._failed:
            raise KeysUnreachable(cause="jwks: unreachable, and the key was never seen")
        if key is None and fetch:
            self._remember_missing(kid)
        return key

    async def aclose(self) -> None:
        if self._fetching:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError):
                await self._fetching
        await self._client.aclose()

    def _age(self) -> float:
        return self._now() - self._fetched_at

    def _usable(self, kid: str) -> PyJWK | None:
        return self._keys.get(kid) if self._age() < LONGEST_STALE_SECONDS else None

    def _is_missing(self, kid: str) -> bool:
        return self._missing_until.get(kid, 0.0) > self._now() and kid not in self._keys

    def _remember_missing(self, kid: str) -> None:
        self._missing_until[kid] = self._now() + MISSING_SECONDS
        self._missing_until.move_to_end(kid)
        if len(self._missing_until) > MOST_MISSING:
            self._missing_until.popitem(last=False)

    def _fetch_if_due(self) -> asyncio.Task[None] | None:
        """The fetch that is going on, a new one, or None while it is too soon for one."""
        if self._fetching is None and self._now() - self._ended_at >= COOL_DOWN_SECONDS:
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                self._keys = parse_jwks(await self._read())
        except (OSError, TimeoutError, ValueError, RecursionError, httpx2.HTTPError) as error:
            self._failed = True
            log_event(
                "jwks-not-read",
                level=logging.WARNING,
                host=urlsplit(self._url).hostname,
                cause=f"{type(error).__name__}: {error}",
            )
        else:
            self._failed = False
            self._fetched_at = self._now()
        finally:
            self._ended_at = self._now()
            self._fetching = None

    async def _read(self) -> bytes:
        """Raises: httpx2.HTTPError, ValueError for any answer but a plain 200 of a fair size."""
        async with self._client.stream("GET", self._url) as answer:
            if answer.status_code != httpx2.codes.OK:
                raise ValueError(f"status {answer.status_code}")
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise ValueError("compressed, which was not asked for")
            body = b""
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MOST_BYTES:
                    raise ValueError("too large")
            return body


@cache
def _authorities() -> SSLContext:
    """The machine's certificate authorities, which take a moment to read: once for all issuers."""
    return httpx2.create_ssl_context()


def check_jwks_url(url: str) -> None:
    """Raises: ValueError, without the URL, unless it is https:// or on this machine."""
    try:
        parts = urlsplit(url)
        _ = httpx2.URL(url), parts.port
    except (httpx2.InvalidURL, ValueError):
        raise ValueError("is no URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with https:// and name a host")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("must hold neither a name or password nor a fragment")
    if is_overheard(url):
        raise ValueError("must start with https://: whoever is on the way could change the keys")


def parse_jwks(document: bytes) -> dict[str, PyJWK]:
    """Those keys of a JWK Set that we can use, by `kid`; the first where two have the same.

    Raises: ValueError, RecursionError for what is no JWK Set. Source: RFC 7517 §5.
    """
    parsed = json.loads(document.decode())
    published = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(published, list):
        raise ValueError("not a JWK Set")  # noqa: TRY004 - the document's value, not our argument
    keys: dict[str, PyJWK] = {}
    for jwk in published[:MOST_KEYS]:
        key = usable_key(jwk)
        if key is not None and jwk["kid"] not in keys:
            keys[jwk["kid"]] = key
    return keys


def usable_key(jwk: Any) -> PyJWK | None:  # noqa: ANN401 - JSON from outside
    """A named public key for signatures of a kind that we verify; None for any other."""
    if not isinstance(jwk, dict) or not _is_for_us(jwk):
        return None
    algorithm = _PINNED.get((jwk["kty"], None if jwk["kty"] == "RSA" else jwk.get("crv")))
    if algorithm is None or jwk.get("alg", algorithm) not in _NAMES[algorithm]:
        return None
    public = {name: jwk[name] for name in _PUBLIC_MEMBERS if name in jwk}
    try:
        key = PyJWK(public, algorithm)
    except Exception:  # noqa: BLE001 - whatever the libraries find wrong with one key, the others stay
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size not in RSA_BITS:
        return None
    return key


def _is_for_us(jwk: dict[str, Any]) -> bool:
    """Whether it has a name and says of itself nothing against verifying signatures."""
    kid, operations = jwk.get("kid"), jwk.get("key_ops", ["verify"])
    return (
        isinstance(kid, str)
        and 0 < len(kid) <= MOST_KID_CHARACTERS
        and isinstance(jwk.get("kty"), str)
        and isinstance(jwk.get("crv", ""), str)
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )
