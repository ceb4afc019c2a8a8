"""GET and PATCH /auth/me, POST /auth/password, POST /auth/verify."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from src.auth.known_users import KnownUsers
from src.auth.models import User
from tests.factories import PASSWORD, Person, bearer, log_in, problem, refresh, sign_up
from tests.tokens import claims_of

Client = httpx.AsyncClient
NEW_PASSWORD = "an entirely different phrase"


async def change_password(
    client: Client,
    person: Person,
    *,
    current: str = PASSWORD,
    new: str = NEW_PASSWORD,
) -> httpx.Response:
    return await client.post(
        "/auth/password",
        json={"current_password": current, "new_password": new},
        headers=person.authorization,
    )


async def test_verify_says_what_the_token_says(client: Client) -> None:
    person = await sign_up(client)
    response = await client.post("/auth/verify", headers=person.authorization)
    claims = claims_of(person.access_token)
    body = response.json()
    assert body["valid"] is True
    assert body["user_id"] == person.user["id"] == claims["sub"]
    assert body["session_id"] == claims["sid"]
    assert body["roles"] == ["user"]
    assert datetime.fromisoformat(body["issued_at"]).timestamp() == claims["iat"]
    assert datetime.fromisoformat(body["expires_at"]).timestamp() == claims["exp"]


async def test_a_username_can_be_set_changed_and_removed(client: Client) -> None:
    person = await sign_up(client)
    for username in ("ada", "Ada.L", None, "ada"):
        response = await client.patch(
            "/auth/me",
            json={"username": username},
            headers=person.authorization,
        )
        assert response.json()["username"] == username
        me = await client.get("/auth/me", headers=person.authorization)
        assert me.json()["username"] == username
    unchanged = await client.patch("/auth/me", json={}, headers=person.authorization)
    assert unchanged.json()["username"] == "ada"


async def test_a_username_of_somebody_else_is_409(client: Client) -> None:
    ada, grace = await sign_up(client), await sign_up(client)
    await client.patch("/auth/me", json={"username": "ada"}, headers=ada.authorization)
    response = await client.patch(
        "/auth/me",
        json={"username": "ADA"},
        headers=grace.authorization,
    )
    assert problem(response) == "username-taken"
    me = await client.get("/auth/me", headers=grace.authorization)
    assert me.json()["username"] is None


@pytest.mark.parametrize(
    "body",
    [{"email": "x@example.com"}, {"roles": ["admin"]}, {"id": "x"}, {"username": 1}, []],
)
async def test_nothing_else_of_the_profile_can_be_changed(client: Client, body: object) -> None:
    person = await sign_up(client)
    response = await client.patch("/auth/me", json=body, headers=person.authorization)
    assert problem(response) == "invalid-request"


async def test_a_new_password_ends_every_session_and_opens_a_fresh_one(client: Client) -> None:
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    response = await change_password(client, laptop)
    assert response.status_code == 200
    for ended in (laptop, phone):
        assert problem(await refresh(client, ended.refresh_token)) == "invalid-refresh-token"
    fresh = response.json()
    assert (await refresh(client, fresh["refresh_token"])).status_code == 200
    assert (await client.get("/auth/me", headers=bearer(fresh["access_token"]))).is_success


async def test_only_the_new_password_logs_in_afterwards(client: Client) -> None:
    person = await sign_up(client)
    await change_password(client, person)
    for password, expected in ((PASSWORD, 401), (NEW_PASSWORD, 200)):
        response = await client.post(
            "/auth/login",
            json={"email": person.email, "password": password},
        )
        assert response.status_code == expected


async def test_a_wrong_current_password_is_403_and_changes_nothing(client: Client) -> None:
    person = await sign_up(client)
    response = await change_password(client, person, current="something else")
    assert problem(response) == "wrong-password"
    assert (await refresh(client, person.refresh_token)).status_code == 200
    await log_in(client, person)


async def test_a_weak_new_password_is_refused_with_its_reason(client: Client) -> None:
    person = await sign_up(client)
    response = await change_password(client, person, new="password1")
    assert problem(response) == "weak-password"
    assert response.json()["errors"][0]["pointer"] == "/new_password"


async def test_of_two_changes_at_once_one_wins_and_its_password_is_the_password(
    client: Client,
) -> None:
    person = await sign_up(client)
    phrases = [f"phrase number {n} of them" for n in range(6)]
    responses = await asyncio.gather(
        *(change_password(client, person, new=phrase) for phrase in phrases),
    )
    winners = [p for p, r in zip(phrases, responses, strict=True) if r.status_code == 200]
    assert len(winners) == 1
    assert {problem(r) for r in responses if r.status_code != 200} == {"wrong-password"}
    await log_in(client, Person(person.email, winners[0], "", "", {}))


async def test_no_session_of_the_old_password_survives_a_race_with_its_change(
    client: Client,
) -> None:
    for _ in range(10):
        person = await sign_up(client)
        attempts = [
            client.post("/auth/login", json={"email": person.email, "password": PASSWORD})
            for _ in range(4)
        ]
        changed, *logins = await asyncio.gather(change_password(client, person), *attempts)
        assert changed.status_code == 200
        for login in logins:
            assert login.status_code in {200, 401}
            if login.status_code == 200:
                assert (await refresh(client, login.json()["refresh_token"])).status_code == 401


@pytest.mark.one_database
async def test_the_tokens_of_a_user_who_is_gone_are_refused_by_every_feature_within_a_second(
    client: Client,
    engine: AsyncEngine,
) -> None:
    person = await sign_up(client)
    routes = [("GET", "/auth/me"), ("POST", "/auth/verify"), ("GET", "/anatomy/"),
              ("GET", "/chat/sessions")]  # fmt: skip
    for method, path in routes:
        assert (await client.request(method, path, headers=person.authorization)).is_success
    async with engine.begin() as connection:
        await connection.execute(delete(User))
    await asyncio.sleep(KnownUsers.REMEMBERED_SECONDS)
    for method, path in routes:
        response = await client.request(method, path, headers=person.authorization)
        assert problem(response) == "invalid-token"


async def test_access_tokens_live_no_longer_than_their_session(
    client: Client,
    pass_time: Any,
) -> None:
    person = await sign_up(client)
    token = person.refresh_token
    for _ in range(4):
        await pass_time(timedelta(days=6, hours=23))
        token = (await refresh(client, token)).json()["refresh_token"]
    await pass_time(timedelta(days=2, hours=3, minutes=55))
    response = (await refresh(client, token)).json()
    assert response["expires_in"] <= response["refresh_expires_in"] < 15 * 60
