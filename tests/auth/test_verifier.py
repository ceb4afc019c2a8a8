"""Another service verifies tokens by itself and learns within two seconds what was revoked."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Literal

import httpx
import pytest

from src.auth.key_ring import TokenRejected
from src.auth.verifier import LatchkeyVerifier, RevocationsUnknown
from src.core.settings import Settings
from tests.auth.served_document import Served, served
from tests.conftest import REPOSITORY
from tests.factories import Person, log_in, sign_up
from tests.tokens import claims_of, header_of, signed

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient
PROMISED_SECONDS = 2.0
EMPTY = b'{"as_of": 0, "sessions": {}, "users": {}}'
DEAD_URL = "http://127.0.0.1:9/auth/revocations"  # the port "discard": nobody listens


@pytest.fixture
def feed() -> Iterator[Served]:
    with served(EMPTY) as document:
        yield document


def revoke(feed: Served, *, sessions: dict[str, int], users: dict[str, int]) -> None:
    feed.change(json.dumps({"as_of": 0, "sessions": sessions, "users": users}).encode())


def verifier_of(
    settings: Settings,
    url: str,
    *,
    max_staleness: timedelta = timedelta(minutes=1),
    when_stale: Literal["refuse", "accept"] = "refuse",
) -> LatchkeyVerifier:
    return LatchkeyVerifier(
        secret=settings.JWT_SECRET_KEY.get_secret_value(),
        revocations_url=url,
        max_staleness=max_staleness,
        when_stale=when_stale,
    )


def refuses(verifier: LatchkeyVerifier, person: Person) -> bool:
    try:
        verifier.verify(person.access_token)
    except TokenRejected:
        return True
    return False


async def test_a_good_token_yields_its_claims(
    client: Client,
    settings: Settings,
    feed: Served,
) -> None:
    person = await sign_up(client)
    verifier = verifier_of(settings, feed.url)
    with verifier.follow():
        claims = verifier.verify(person.access_token)
    assert str(claims.user_id) == person.user["id"]
    assert claims.session_id == claims_of(person.access_token)["sid"]
    assert claims.issued_at < claims.expires_at


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "x"},
        {"aud": "latchkey-api/refresh"},
        {"type": "refresh"},
        {"exp": 1},
        {"exp": 2**40},
        {"iat": "0"},
        {"sub": "x"},
        {"sid": ""},
        {"roles": None},
    ],
)
async def test_what_latchkey_refuses_is_refused_here(
    client: Client,
    settings: Settings,
    feed: Served,
    change: dict[str, object],
) -> None:
    person = await sign_up(client)
    claims, header = claims_of(person.access_token), header_of(person.access_token)
    secret = settings.JWT_SECRET_KEY.get_secret_value()
    verifier = verifier_of(settings, feed.url)
    with verifier.follow():
        assert verifier.verify(signed(claims, header, secret=secret))
        for bad in (
            signed({**claims, **change}, header, secret=secret),
            signed(claims, header, secret="another secret of more than 32 bytes"),
            signed(claims, {**header, "alg": "none"}, secret=secret),
            person.refresh_token,
            "",
        ):
            with pytest.raises(TokenRejected):
                verifier.verify(bad)


async def test_sessions_and_users_in_the_list_are_refused_and_no_others(
    client: Client,
    settings: Settings,
    feed: Served,
) -> None:
    laptop, leaver, stranger = [await sign_up(client) for _ in range(3)]
    phone = await log_in(client, laptop)
    verifier = verifier_of(settings, feed.url)
    assert verifier.poll()
    assert not any(refuses(verifier, person) for person in (laptop, phone, leaver, stranger))
    issued_at = claims_of(leaver.access_token)["iat"]
    revoke(
        feed,
        sessions={claims_of(laptop.access_token)["sid"]: issued_at + 900},
        users={leaver.user["id"]: issued_at + 1, stranger.user["id"]: issued_at - 60},
    )
    assert verifier.poll()
    assert [refuses(verifier, p) for p in (laptop, phone, leaver, stranger)] == [
        True, False, True, False,
    ]  # fmt: skip


async def test_the_real_list_is_read_and_asked_for_by_its_etag(
    client: Client,
    settings: Settings,
    feed: Served,
) -> None:
    person = await sign_up(client)
    await client.post("/auth/logout", headers=person.authorization)
    real = await client.get("/auth/revocations")
    feed.body, feed.etag = real.content, real.headers["etag"]
    verifier = verifier_of(settings, feed.url)
    for _ in range(3):
        assert verifier.poll()
        assert refuses(verifier, person)
    assert feed.asked_with == [None, feed.etag, feed.etag]


def break_status(feed: Served) -> None:
    feed.status = 503


def break_json(feed: Served) -> None:
    feed.body, feed.etag = b"<html>", '"html"'


def break_form(feed: Served) -> None:
    feed.body, feed.etag = b'{"sessions": [], "users": 7}', '"form"'


def break_size(feed: Served) -> None:
    feed.body, feed.etag = b" " * 16_000_001, '"size"'


@pytest.mark.parametrize("break_it", [break_status, break_json, break_form, break_size])
async def test_the_last_list_outlives_an_outage(
    client: Client,
    settings: Settings,
    feed: Served,
    break_it: Callable[[Served], None],
) -> None:
    gone, here = await sign_up(client), await sign_up(client)
    revoke(feed, sessions={claims_of(gone.access_token)["sid"]: 2**40}, users={})
    verifier = verifier_of(settings, feed.url)
    assert verifier.poll()
    good, age = (feed.body, feed.etag), verifier.stale_for
    break_it(feed)
    assert not verifier.poll()
    assert verifier.stale_for > age
    assert (refuses(verifier, gone), refuses(verifier, here)) == (True, False)
    feed.status, (feed.body, feed.etag) = 200, good
    before = read_at(verifier)
    assert verifier.poll()
    assert read_at(verifier) > before


def read_at(verifier: LatchkeyVerifier) -> float:
    """When its list was read, seconds of the monotonic clock."""
    return time.monotonic() - verifier.stale_for


async def test_a_list_that_is_too_old_refuses_or_accepts_by_choice(
    client: Client,
    settings: Settings,
) -> None:
    person = await sign_up(client)
    careful = verifier_of(settings, DEAD_URL)
    with careful.follow():
        assert careful.stale_for == math.inf
        with pytest.raises(RevocationsUnknown):
            careful.verify(person.access_token)
        with pytest.raises(TokenRejected):
            careful.verify(person.refresh_token)
    assert verifier_of(settings, DEAD_URL, when_stale="accept").verify(person.access_token)


async def test_the_list_is_too_old_after_just_as_long_as_was_said(
    client: Client,
    settings: Settings,
    feed: Served,
) -> None:
    person = await sign_up(client)
    verifier = verifier_of(settings, feed.url, max_staleness=timedelta())
    assert verifier.poll()
    with pytest.raises(RevocationsUnknown):
        verifier.verify(person.access_token)
    patient = verifier_of(settings, feed.url)
    assert patient.poll()
    assert patient.verify(person.access_token)


def test_only_http_is_spoken(settings: Settings) -> None:
    with pytest.raises(ValueError, match="must start with"):
        verifier_of(settings, "file:///etc/passwd")


def test_it_needs_neither_a_framework_nor_a_database_nor_redis() -> None:
    listing = "import sys, src.auth.verifier; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "jose" in loaded.stdout.split()
    heavy = {"fastapi", "starlette", "pydantic", "sqlmodel", "sqlalchemy", "redis", "httpx"}
    assert not heavy & set(loaded.stdout.split())
