"""Cookie mode is for pages of our own origin: cross-site requests, log-in by them included."""

import secrets
from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis

from src.app import create_app
from src.core.settings import Settings
from tests.conftest import running
from tests.cookies import cookie
from tests.factories import PASSWORD, Person, log_in, new_email, problem, refresh, sign_up
from tests.tokens import claims_of

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient
Headers = list[tuple[str, str]]

LISTED = "https://app.example"
OWN = "http://testserver"
ROUTES = ["signup", "login", "refresh", "logout", "password"]

PROOFS: list[Headers] = [
    [("Sec-Fetch-Site", "same-origin")],
    [("Sec-Fetch-Site", "same-origin"), ("Origin", OWN)],
    [("Sec-Fetch-Site", "same-origin"), ("Origin", "null")],  # under Referrer-Policy: no-referrer
    [("Origin", OWN)],
    [("Origin", "https://testserver")],  # a proxy ends TLS
]
NO_PROOFS: list[Headers] = [
    [],
    [("Origin", "null")],
    [("Origin", "")],
    [("Origin", LISTED)],
    *([("Sec-Fetch-Site", site)] for site in (
        "cross-site", "same-site", "none", "", "Same-Origin", "same-origin, cross-site",
    )),
    *([("Sec-Fetch-Site", site), ("Origin", OWN)] for site in ("cross-site", "same-site", "none")),
    [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
    *([("Origin", origin)] for origin in (
        "http://testserver:81", "http://testserver.evil.example", "http://evil-testserver",
        "http://sub.testserver", "testserver", "chrome-extension://testserver", "ftp://testserver",
        "http://testserver/", "http://testserver@evil.example", "http://testserver.", "http://",
        f"{OWN}, http://evil.example",
    )),
    [("Origin", OWN), ("Origin", "http://evil.example")],
    [("Referer", OWN + "/"), ("Sec-Fetch-Mode", "same-origin")],
    [("Origin", "http://evil.example"), ("X-Forwarded-Host", "evil.example")],
]  # fmt: skip


async def sent(client: Client, route: str, person: Person, proof: Headers) -> httpx.Response:
    body = {
        "signup": {"email": new_email(), "password": PASSWORD},
        "login": {"email": person.email, "password": person.password},
        "refresh": {},
        "logout": {},
        "password": {"current_password": person.password, "new_password": secrets.token_hex(12)},
    }[route]
    headers = [
        ("X-Token-Mode", "cookie"),
        *cookie(person.refresh_token).items(),
        *person.authorization.items(),
        *proof,
    ]
    return await client.post(f"/auth/{route}", json=body, headers=headers)


@pytest.mark.parametrize("proof", PROOFS, ids=str)
@pytest.mark.parametrize("route", ROUTES)
async def test_a_page_of_our_own_origin_is_served(
    client: Client,
    route: str,
    proof: Headers,
) -> None:
    response = await sent(client, route, await sign_up(client), proof)
    assert response.is_success
    assert "set-cookie" in response.headers


@pytest.mark.parametrize("route", ROUTES)
async def test_any_other_page_is_refused_and_changes_nothing(
    client: Client,
    redis: Redis,
    route: str,
) -> None:
    person = await sign_up(client)
    before = sorted(await redis.keys("auth:*"))
    for proof in NO_PROOFS:
        response = await sent(client, route, person, proof)
        assert (response.status_code, problem(response)) == (403, "cross-site-request"), proof
        assert "set-cookie" not in response.headers, proof
    assert sorted(await redis.keys("auth:*")) == before
    renewed = await refresh(client, person.refresh_token)
    assert claims_of(renewed.json()["refresh_token"])["gen"] == 1
    await log_in(client, person)  # the password is the same


async def test_body_mode_needs_no_proof(client: Client) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "null"}
    person = await sign_up(client)
    body = {"refresh_token": person.refresh_token}
    for route in ("refresh", "logout"):
        response = await client.post(f"/auth/{route}", json=body, headers=foreign)
        assert response.is_success


@pytest.mark.parametrize("modes", [["cookie", "body"], ["body", "cookie"], ["cookie", "cookie"]])
async def test_two_modes_are_none(client: Client, modes: list[str]) -> None:
    person = await sign_up(client)
    headers = [("X-Token-Mode", mode) for mode in modes]
    headers += [("Sec-Fetch-Site", "same-origin"), *cookie(person.refresh_token).items()]
    response = await client.post("/auth/refresh", headers=headers)
    assert problem(response) == "invalid-token-mode"


async def test_under_tls_an_origin_without_it_is_foreign_and_hsts_is_sent(client: Client) -> None:
    person = await sign_up(client)
    login = {"email": person.email, "password": person.password}
    answers = [
        await client.post(
            f"{scheme}://testserver/auth/login",
            json=login,
            headers={"X-Token-Mode": "cookie", "Origin": origin},
        )
        for scheme, origin in (("https", "https://testserver"), ("https", OWN), ("http", OWN))
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 200]
    sent_hsts = ["strict-transport-security" in answer.headers for answer in answers]
    assert sent_hsts == [True, True, False]


@pytest.fixture
async def listing(client: Client, settings: Settings) -> AsyncIterator[Client]:
    """The application with another origin that may call it."""
    assert client
    changed = {"CORS_ORIGINS": (LISTED,), "CORS_ALLOW_NULL_ORIGIN": True}
    async with running(create_app(settings.model_copy(update=changed))) as listing_client:
        yield listing_client


@pytest.mark.parametrize("origin", [LISTED, "null"])
async def test_an_origin_that_cors_allows_gets_no_cookies_and_reads_why(
    listing: Client,
    origin: str,
) -> None:
    person = await sign_up(listing)
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-token-mode",
    }
    preflight = await listing.options("/auth/refresh", headers=asked)
    refused = [
        await sent(listing, "refresh", person, [("Origin", origin), *site])
        for site in ([], [("Sec-Fetch-Site", "cross-site")], [("Sec-Fetch-Site", "same-site")])
    ]
    for answer in (preflight, *refused):
        assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
    assert {problem(answer) for answer in refused} == {"cross-site-request"}
