"""POST /auth/logout."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from src.core.settings import Settings
from tests.auth.given_tokens import session_key
from tests.conftest import PassTime
from tests.factories import bearer, log_in, problem, refresh, sign_up
from tests.tokens import claims_of, header_of, signed

Client = httpx.AsyncClient


async def log_out(client: Client, refresh_token: str | None = None) -> httpx.Response:
    return await client.post("/auth/logout", json={"refresh_token": refresh_token})


async def test_the_access_token_ends_its_session_and_no_other(client: Client) -> None:
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    response = await client.post("/auth/logout", headers=laptop.authorization)
    assert (response.status_code, response.content) == (204, b"")
    assert problem(await refresh(client, laptop.refresh_token)) == "invalid-refresh-token"
    assert (await refresh(client, phone.refresh_token)).status_code == 200


async def test_all_that_is_left_of_a_session_in_redis_is_that_it_ended(
    client: Client,
    redis: Redis,
) -> None:
    person = await sign_up(client)
    await log_out(client, person.refresh_token)
    name = session_key(person.refresh_token)
    assert set(await redis.keys("auth:*")) == {"auth:{rev}", name}
    left: Any = await redis.hgetall(name)
    assert left == {"v": "ENDED"}
    assert await redis.ttl(name) <= 15 * 60 + 10


async def test_the_refresh_token_alone_ends_its_session(client: Client) -> None:
    person = await sign_up(client)
    assert (await log_out(client, person.refresh_token)).status_code == 204
    assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"


async def test_logging_out_twice_is_fine(client: Client) -> None:
    person = await sign_up(client)
    for _ in range(2):
        assert (await log_out(client, person.refresh_token)).status_code == 204
        response = await client.post("/auth/logout", headers=person.authorization)
        assert response.status_code == 204


async def test_a_spent_refresh_token_ends_the_session_as_well(client: Client) -> None:
    person = await sign_up(client)
    successor = (await refresh(client, person.refresh_token)).json()["refresh_token"]
    assert (await log_out(client, person.refresh_token)).status_code == 204
    assert problem(await refresh(client, successor)) == "invalid-refresh-token"


async def test_an_expired_refresh_token_ends_the_session_as_well(
    client: Client,
    settings: Settings,
) -> None:
    person = await sign_up(client)
    claims = claims_of(person.refresh_token)
    expired = signed(
        {**claims, "iat": claims["iat"] - 90_000, "exp": claims["iat"] - 60},
        header_of(person.refresh_token),
        secret=settings.JWT_REFRESH_SECRET_KEY.get_secret_value(),
    )
    assert (await log_out(client, expired)).status_code == 204
    assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"


async def test_the_refresh_token_in_the_body_names_the_session(client: Client) -> None:
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    await client.post(
        "/auth/logout",
        json={"refresh_token": phone.refresh_token},
        headers=laptop.authorization,
    )
    assert (await refresh(client, laptop.refresh_token)).status_code == 200
    assert problem(await refresh(client, phone.refresh_token)) == "invalid-refresh-token"


async def test_an_expired_access_token_is_enough_beside_a_refresh_token(
    client: Client,
    pass_time: PassTime,
) -> None:
    person = await sign_up(client)
    await pass_time(timedelta(minutes=20))
    response = await client.post("/auth/logout", headers=person.authorization)
    assert problem(response) == "invalid-token"
    response = await client.post(
        "/auth/logout",
        json={"refresh_token": person.refresh_token},
        headers=person.authorization,
    )
    assert response.status_code == 204


async def test_a_refresh_token_of_somebody_else_s_making_changes_nothing(client: Client) -> None:
    person = await sign_up(client)
    for foreign in ("x", "a.b.c", person.refresh_token[:-4] + "AAAA", person.access_token):
        assert (await log_out(client, foreign)).status_code == 204
    assert (await refresh(client, person.refresh_token)).status_code == 200


async def test_no_credential_is_401(client: Client) -> None:
    assert problem(await client.post("/auth/logout")) == "authentication-required"
    assert problem(await log_out(client)) == "authentication-required"
    assert problem(await log_out(client, "")) == "authentication-required"


@pytest.mark.parametrize("by", ["access token", "refresh token", "spent refresh token"])
@pytest.mark.parametrize("scope", ["local", "others", "global"])
async def test_a_scope_ends_just_the_sessions_that_it_names(
    client: Client,
    scope: str,
    by: str,
) -> None:
    stranger = await sign_up(client)
    laptop = await sign_up(client)
    phone, tablet = await log_in(client, laptop), await log_in(client, laptop)
    current = laptop.refresh_token
    if by == "spent refresh token":
        current = (await refresh(client, laptop.refresh_token)).json()["refresh_token"]
    response = await client.post(
        "/auth/logout",
        json={
            "scope": scope,
            "refresh_token": None if by == "access token" else laptop.refresh_token,
        },
        headers=laptop.authorization if by == "access token" else {},
    )
    assert response.status_code == 204
    lives = [
        (await refresh(client, token)).status_code == 200
        for token in (current, phone.refresh_token, tablet.refresh_token, stranger.refresh_token)
    ]
    assert (
        lives
        == {
            "local": [False, True, True, True],
            "others": [True, False, False, True],
            "global": [False, False, False, True],
        }[scope]
    )


@pytest.mark.parametrize("scope", ["others", "global"])
async def test_a_token_of_an_ended_session_ends_no_other(client: Client, scope: str) -> None:
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    await log_out(client, laptop.refresh_token)
    for body, headers in (
        ({"scope": scope, "refresh_token": laptop.refresh_token}, {}),
        ({"scope": scope}, laptop.authorization),
    ):
        response = await client.post("/auth/logout", json=body, headers=headers)
        assert response.status_code == 204
    assert (await refresh(client, phone.refresh_token)).status_code == 200


@pytest.mark.parametrize("body", [{"scope": "everything"}, {"user_id": "x"}, [], "x"])
async def test_a_body_of_another_shape_is_422(client: Client, body: object) -> None:
    person = await sign_up(client)
    response = await client.post("/auth/logout", json=body, headers=person.authorization)
    assert problem(response) == "invalid-request"


async def test_a_refresh_token_is_no_bearer_token(client: Client) -> None:
    person = await sign_up(client)
    response = await client.post("/auth/logout", headers=bearer(person.refresh_token))
    assert problem(response) == "invalid-token"
