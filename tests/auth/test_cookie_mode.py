"""X-Token-Mode: cookie. The refresh token in a cookie that no script can read."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from src.app import create_app
from src.core.settings import Settings
from tests.conftest import PassTime, make_settings, running
from tests.cookies import CLEARED, NAME, SAME_ORIGIN, cookie, cookie_of, log_in_by_cookie
from tests.factories import PASSWORD, Person, bearer, log_in, new_email, problem, refresh, sign_up
from tests.servers import running_redis
from tests.tokens import claims_of

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient

WEEK = 7 * 86_400
ROUTES = ["signup", "login", "refresh", "password"]


async def answered(client: Client, route: str, person: Person, **headers: str) -> httpx.Response:
    """The answer of a route that opens or continues a session."""
    body = {
        "signup": {"email": new_email(), "password": PASSWORD},
        "login": {"email": person.email, "password": person.password},
        "refresh": {"refresh_token": person.refresh_token},
        "password": {"current_password": person.password, "new_password": PASSWORD + "!"},
    }[route]
    if route == "refresh" and headers.get("X-Token-Mode") == "cookie":
        body = {}
        headers |= cookie(person.refresh_token)
    headers |= person.authorization
    return await client.post(f"/auth/{route}", json=body, headers=headers)


async def refresh_by_cookie(client: Client, token: str) -> httpx.Response:
    return await client.post("/auth/refresh", headers={**SAME_ORIGIN, **cookie(token)})


@pytest.mark.parametrize("route", ROUTES)
async def test_the_refresh_token_is_in_the_cookie_and_not_in_the_body(
    client: Client,
    route: str,
) -> None:
    response = await answered(client, route, await sign_up(client), **SAME_ORIGIN)
    assert response.is_success
    assert response.json()["refresh_token"] is None
    token, seconds = cookie_of(response), response.json()["refresh_expires_in"]
    attributes = f"Secure; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}"
    assert response.headers.get_list("set-cookie") == [f"__Host-Http-refresh={token}; {attributes}"]
    assert abs(seconds - WEEK) < 60
    assert (await refresh(client, token)).status_code == 200
    me = await client.get("/auth/me", headers=bearer(response.json()["access_token"]))
    assert me.status_code == 200


@pytest.mark.parametrize("mode", [{}, {"X-Token-Mode": "body"}])
@pytest.mark.parametrize("route", ROUTES)
async def test_body_mode_sets_no_cookie(client: Client, route: str, mode: dict[str, str]) -> None:
    person = await sign_up(client)
    response = await answered(client, route, person, **mode, **cookie(person.refresh_token))
    assert response.is_success
    assert "set-cookie" not in response.headers
    assert claims_of(response.json()["refresh_token"])["type"] == "refresh"


async def test_body_mode_reads_no_cookie(client: Client) -> None:
    person = await sign_up(client)
    headers = {"Sec-Fetch-Site": "same-origin", **cookie(person.refresh_token)}
    assert problem(await client.post("/auth/refresh", headers=headers)) == "invalid-request"
    response = await client.post("/auth/logout", headers=headers)
    assert problem(response) == "authentication-required"
    assert "set-cookie" not in response.headers
    assert (await refresh(client, person.refresh_token)).status_code == 200


async def test_the_cookie_is_read_by_the_token_routes_alone(client: Client) -> None:
    person = await sign_up(client)
    for token in (person.access_token, person.refresh_token):
        headers = {**SAME_ORIGIN, **cookie(token)}
        for path in ("/auth/me", "/auth/sessions", "/anatomy/"):
            response = await client.get(path, headers=headers)
            assert problem(response) == "authentication-required", path


async def test_the_cookie_rotates_like_any_refresh_token(client: Client) -> None:
    first = cookie_of(await log_in_by_cookie(client, await sign_up(client)))
    second = cookie_of(await refresh_by_cookie(client, first))
    assert cookie_of(await refresh_by_cookie(client, first)) == second  # within the grace
    assert claims_of(second)["gen"] == 1
    third = cookie_of(await refresh_by_cookie(client, second))
    reused = await refresh_by_cookie(client, first)
    assert problem(reused) == "refresh-token-reused"
    assert reused.headers.get_list("set-cookie") == [CLEARED]
    ended = await refresh_by_cookie(client, third)
    assert problem(ended) == "invalid-refresh-token"
    assert ended.headers.get_list("set-cookie") == [CLEARED]


async def test_the_cookie_lives_no_longer_than_its_session(
    client: Client,
    pass_time: PassTime,
) -> None:
    token = cookie_of(await log_in_by_cookie(client, await sign_up(client)))
    for _ in range(4):
        await pass_time(timedelta(days=6, hours=20))
        response = await refresh_by_cookie(client, token)
        token = cookie_of(response)
    remaining = int(response.headers["set-cookie"].rpartition("Max-Age=")[2])
    assert abs(remaining - timedelta(days=2, hours=16).total_seconds()) < 60


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "\u00e9", '"quoted"', "access token"])
async def test_a_refused_cookie_is_cleared(client: Client, value: str) -> None:
    person = await sign_up(client)
    presented = person.access_token if value == "access token" else value
    raw = {name.encode(): text.encode() for name, text in cookie(presented).items()}
    response = await client.post(
        "/auth/refresh",
        headers={**{k.encode(): v.encode() for k, v in SAME_ORIGIN.items()}, **raw},
    )
    assert problem(response) == "invalid-refresh-token"
    assert response.headers.get_list("set-cookie") == [CLEARED]


@pytest.mark.parametrize("route", ["signup", "login"])
async def test_a_new_session_ends_the_one_whose_cookie_it_takes_the_place_of(
    client: Client,
    route: str,
) -> None:
    before, other = await sign_up(client), await sign_up(client)
    elsewhere = await log_in(client, before)
    headers = {**SAME_ORIGIN, **cookie(before.refresh_token)}
    body = {"email": other.email if route == "login" else new_email(), "password": PASSWORD}
    response = await client.post(f"/auth/{route}", json=body, headers=headers)
    assert response.json()["user"]["email"] == body["email"]
    assert (await refresh(client, cookie_of(response))).status_code == 200
    assert problem(await refresh(client, before.refresh_token)) == "invalid-refresh-token"
    assert problem(await client.get("/auth/me", headers=before.authorization)) == "invalid-token"
    history = await client.get("/auth/events", headers=elsewhere.authorization)
    ends = [e for e in history.json()["events"] if e["event"] == "session-ended"]
    assert [e["cause"] for e in ends] == ["replaced"]


async def test_a_session_ends_only_for_a_new_one_and_by_its_own_cookie_alone(
    client: Client,
) -> None:
    person, other = await sign_up(client), await sign_up(client)
    good = {"email": person.email, "password": person.password}
    mine, both = (
        cookie(person.refresh_token),
        cookie(f"{person.refresh_token}; {NAME}={other.refresh_token}"),
    )
    for body, headers in [
        (good | {"password": "wrong"}, {**SAME_ORIGIN, **mine}),
        (good, mine),
        (good, {**SAME_ORIGIN, **both}),
        (good, {**SAME_ORIGIN, **cookie("x")}),
        (good, {**SAME_ORIGIN, **cookie(person.refresh_token[:-2])}),
    ]:
        response = await client.post("/auth/login", json=body, headers=headers)
        assert response.status_code == (200 if body is good else 401)
        assert (await client.get("/auth/me", headers=person.authorization)).status_code == 200
    assert (await refresh(client, person.refresh_token)).status_code == 200


async def test_cookie_mode_without_its_cookie(client: Client) -> None:
    refused = await client.post("/auth/refresh", headers=SAME_ORIGIN)
    assert problem(refused) == "invalid-refresh-token"
    nobody = await client.post("/auth/logout", headers=SAME_ORIGIN)
    assert problem(nobody) == "authentication-required"
    person = await sign_up(client)
    left = await client.post("/auth/logout", headers={**SAME_ORIGIN, **person.authorization})
    assert left.status_code == 204
    assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"


@pytest.mark.parametrize("with_cookie", [True, False])
@pytest.mark.parametrize("in_body", ["its own", ""])
@pytest.mark.parametrize("route", ["refresh", "logout"])
async def test_a_token_in_the_body_is_refused_in_cookie_mode(
    client: Client,
    route: str,
    in_body: str,
    *,
    with_cookie: bool,
) -> None:
    person = await sign_up(client)
    response = await client.post(
        f"/auth/{route}",
        json={"refresh_token": in_body and person.refresh_token},
        headers={**SAME_ORIGIN, **(cookie(person.refresh_token) if with_cookie else {})},
    )
    assert problem(response) == "invalid-token-mode"
    renewed = await refresh(client, person.refresh_token)
    assert claims_of(renewed.json()["refresh_token"])["gen"] == 1


@pytest.mark.parametrize("route", ["refresh", "logout"])
@pytest.mark.parametrize("lines", [1, 2])
async def test_several_cookies_of_the_name_are_refused(
    client: Client,
    route: str,
    lines: int,
) -> None:
    person, other = await sign_up(client), await sign_up(client)
    pairs = [f"{NAME}={each.refresh_token}" for each in (person, other)]
    cookies = pairs if lines == 2 else ["; ".join(pairs)]
    response = await client.post(
        f"/auth/{route}",
        headers=[*SAME_ORIGIN.items(), *(("Cookie", line) for line in cookies)],
    )
    assert problem(response) == "invalid-refresh-token"
    for each in (person, other):
        renewed = await refresh(client, each.refresh_token)
        assert claims_of(renewed.json()["refresh_token"])["gen"] == 1


async def test_its_own_name_alone_makes_a_cookie_ours(client: Client) -> None:
    person = await sign_up(client)
    strangers = f"theme=dark; x{NAME}=1; {NAME}x=2; {NAME.lower()}=3; refresh=4"
    headers = {**SAME_ORIGIN, "Cookie": f"{strangers}; {NAME}={person.refresh_token}; last=5"}
    assert (await client.post("/auth/refresh", headers=headers)).status_code == 200


@pytest.mark.parametrize("scope", ["local", "others", "global"])
async def test_the_cookie_alone_logs_out_and_is_cleared_unless_its_session_stays(
    client: Client,
    pass_time: PassTime,
    scope: str,
) -> None:
    person = await sign_up(client)
    token = cookie_of(await log_in_by_cookie(client, person))
    other = await log_in(client, person)
    await pass_time(timedelta(minutes=20))  # the access token has expired
    headers = {**SAME_ORIGIN, **cookie(token), **other.authorization}
    response = await client.post("/auth/logout", json={"scope": scope}, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    stays = scope == "others"
    assert response.headers.get_list("set-cookie") == ([] if stays else [CLEARED])
    assert (await refresh(client, token)).is_success is stays
    assert (await refresh(client, other.refresh_token)).is_success is (scope == "local")


@pytest.mark.parametrize("body", [{"current_password": "no"}, {"new_password": "12345678"}])
async def test_a_refused_change_of_password_leaves_the_cookie(
    client: Client,
    body: dict[str, str],
) -> None:
    person = await sign_up(client)
    change = {"current_password": person.password, "new_password": PASSWORD + "!", **body}
    response = await client.post(
        "/auth/password",
        json=change,
        headers={**SAME_ORIGIN, **person.authorization, **cookie(person.refresh_token)},
    )
    assert response.status_code in (403, 422)
    assert "set-cookie" not in response.headers


async def test_when_redis_is_away_logging_out_clears_the_cookie_and_refreshing_keeps_it(
    database_url: str,
) -> None:
    with running_redis() as own:
        settings = make_settings(DATABASE_URL=database_url, REDIS_URL=own.url)
        async with running(create_app(settings)) as client:
            person = await sign_up(client)
            own.kill()
            refreshed = await refresh_by_cookie(client, person.refresh_token)
            headers = {**SAME_ORIGIN, **cookie(person.refresh_token)}
            left = await client.post("/auth/logout", headers=headers)
    assert problem(refreshed) == problem(left) == "service-unavailable"
    assert "set-cookie" not in refreshed.headers
    assert left.headers.get_list("set-cookie") == [CLEARED]


async def test_no_log_line_holds_the_cookie(
    client: Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not even before tokens are redacted."""
    token = cookie_of(await log_in_by_cookie(client, await sign_up(client)))
    await refresh_by_cookie(client, token)
    spoilt = token[:-6]
    await refresh_by_cookie(client, spoilt)
    await refresh_by_cookie(client, f"{spoilt}; {NAME}=x")
    headers = {"Sec-Fetch-Site": "cross-site", "X-Token-Mode": "cookie", **cookie(token)}
    await client.post("/auth/refresh", headers=headers)
    await client.post("/auth/logout", headers={**SAME_ORIGIN, **cookie(token)})
    lines = [str(vars(record)) for record in caplog.records]
    assert any("cross-site-request" in line for line in lines)
    assert not [line for line in lines if spoilt[-20:] in line]


@pytest.fixture
async def plain(client: Client, settings: Settings) -> AsyncIterator[Client]:
    """The application with COOKIE_SECURE=false, on empty stores."""
    assert client
    changed = settings.model_copy(update={"COOKIE_SECURE": False})
    async with running(create_app(changed)) as plain_client:
        yield plain_client


async def test_without_secure_the_cookie_has_a_plain_name(plain: Client) -> None:
    person = await sign_up(plain)
    headers = {**SAME_ORIGIN, "Cookie": f"refresh={person.refresh_token}"}
    response = await plain.post("/auth/refresh", headers=headers)
    kept, _, attributes = response.headers["set-cookie"].partition("; ")
    assert kept.startswith("refresh=eyJ")
    assert attributes.rpartition("=")[0] == "HttpOnly; SameSite=Strict; Path=/; Max-Age"
    left = await plain.post("/auth/logout", headers=headers)
    assert left.headers["set-cookie"] == "refresh=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0"
    prefixed = await refresh_by_cookie(plain, person.refresh_token)
    assert problem(prefixed) == "invalid-refresh-token"


def test_production_refuses_an_insecure_cookie() -> None:
    production = {
        "ENVIRONMENT": "production",
        "DATABASE_URL": "postgresql://latchkey@database.example/latchkey?sslmode=verify-full",
        "REDIS_URL": "rediss://redis.example",
        "BCRYPT_ROUNDS": 12,
        "RATE_LIMITS": "on",
    }
    assert make_settings(**production).COOKIE_SECURE
    with pytest.raises(ValueError, match="COOKIE_SECURE=false is for development"):
        make_settings(**production, COOKIE_SECURE=False)
