"""POST /auth/login."""

from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from src.auth.models import User
from tests.factories import PASSWORD, bearer, log_in, problem, sign_up

Client = httpx.AsyncClient


async def change_users(engine: AsyncEngine, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(User).values(**values))


def without_request_id(response: httpx.Response) -> dict[str, Any]:
    document: dict[str, Any] = response.json()
    assert document.pop("request_id")
    return document


async def test_email_and_password_open_a_session(client: Client) -> None:
    person = await sign_up(client)
    signed_in = await log_in(client, person)
    me = await client.get("/auth/me", headers=signed_in.authorization)
    assert me.json() == person.user == signed_in.user


async def test_the_oauth2_password_form_does_as_well(client: Client) -> None:
    person = await sign_up(client)
    response = await client.post(
        "/auth/login",
        data={
            "grant_type": "password",
            "username": person.email,
            "password": PASSWORD,
            "scope": "",
        },
        headers={"Authorization": "Basic Og=="},
    )
    assert response.status_code == 200
    me = await client.get("/auth/me", headers=bearer(response.json()["access_token"]))
    assert me.status_code == 200


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("username=a%40example.com", "invalid-request"),
        ("", "invalid-request"),
        ("grant_type=implicit&username=a&password=b", "invalid-request"),
        ("username=a&username=b&password=c", "malformed-body"),
        ("username=%ff&password=c", "malformed-body"),
        ("&".join(f"f{n}=1" for n in range(50)), "malformed-body"),
        ("username=%00&password=%00", "invalid-credentials"),
        ("username=a%ED%A0%80&password=c", "malformed-body"),
    ],
)
async def test_a_form_that_is_none_is_refused(client: Client, form: str, expected: str) -> None:
    response = await client.post(
        "/auth/login",
        content=form,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert problem(response) == expected


async def test_every_failure_is_the_same_to_the_byte(client: Client, engine: AsyncEngine) -> None:
    person = await sign_up(client)
    attempts = [
        {"email": person.email, "password": "wrong password"},
        {"email": "nobody@example.com", "password": PASSWORD},
        {"email": "no email", "password": PASSWORD},
        {"email": "", "password": PASSWORD},
        {"email": person.email, "password": ""},
        {"email": person.email, "password": "x" * 100_000},
        {"email": "x" * 100_000 + "@example.com", "password": PASSWORD},
        {"email": "a\u200bb@example.com", "password": PASSWORD},
    ]
    responses = [await client.post("/auth/login", json=attempt) for attempt in attempts]
    await change_users(engine, is_active=False)
    responses.append(
        await client.post("/auth/login", json={"email": person.email, "password": PASSWORD}),
    )
    assert {problem(r) for r in responses} == {"invalid-credentials"}
    assert all(without_request_id(r) == without_request_id(responses[0]) for r in responses)
    assert {r.headers["www-authenticate"] for r in responses} == {"Bearer"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@example.com"},
        {"email": 1, "password": "x"},
        {"email": "a@example.com", "password": []},
        {"email": "a@example.com", "password": "x", "user_id": "1"},
        [],
        "text",
        7,
    ],
)
async def test_a_body_of_another_shape_is_422(client: Client, body: object) -> None:
    assert problem(await client.post("/auth/login", json=body)) == "invalid-request"


async def test_a_long_password_counts_to_its_last_byte(client: Client) -> None:
    for password in ("a1" * 36, "a1" * 36 + "b", "é" * 64, "🔑" * 64):
        person = await sign_up(client, password=password)
        changed = password[:-1] + "z"
        response = await client.post(
            "/auth/login",
            json={"email": person.email, "password": changed},
        )
        assert problem(response) == "invalid-credentials"
        await log_in(client, person)


async def test_composed_and_decomposed_spellings_are_one_password(client: Client) -> None:
    person = await sign_up(client, password="crème brûlée!")
    response = await client.post(
        "/auth/login",
        json={"email": person.email, "password": "cre\u0300me bru\u0302le\u0301e!"},
    )
    assert response.status_code == 200


async def test_an_older_hash_is_verified_and_replaced_at_login(
    client: Client,
    engine: AsyncEngine,
) -> None:
    person = await sign_up(client)
    from passlib.hash import bcrypt  # noqa: PLC0415

    plain_bcrypt = bcrypt.using(rounds=4).hash(PASSWORD)
    await change_users(engine, password_hash=plain_bcrypt)
    await log_in(client, person)
    async with engine.connect() as connection:
        stored = (await connection.execute(select(User.password_hash))).scalar_one()
    assert stored.startswith("$bcrypt-sha256$")
    await log_in(client, person)


async def test_the_time_of_the_last_login_is_kept(client: Client, engine: AsyncEngine) -> None:
    await log_in(client, await sign_up(client))
    async with engine.connect() as connection:
        assert (await connection.execute(select(User.last_login_at))).scalar_one()


@pytest.mark.parametrize("mode", ["Cookie", "header", "", "body, cookie"])
async def test_another_token_mode_is_refused(client: Client, mode: str) -> None:
    response = await client.post(
        "/auth/login",
        json={"email": "a@example.com", "password": PASSWORD},
        headers={"X-Token-Mode": mode},
    )
    assert problem(response) == "invalid-token-mode"
