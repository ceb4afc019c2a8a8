"""POST /auth/signup."""

import asyncio

import httpx
import pytest
from redis.asyncio import Redis
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from src.auth.password_policy import weakness_of
from tests.factories import PASSWORD, new_email, problem, sign_up

Client = httpx.AsyncClient


async def try_to_sign_up(client: Client, **members: object) -> httpx.Response:
    return await client.post("/auth/signup", json={"password": PASSWORD, **members})


async def test_a_new_person_gets_a_profile_and_tokens_of_their_first_session(
    client: Client,
) -> None:
    response = await try_to_sign_up(client, email="Ada@Example.com", username="ada")
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert set(body) == {
        "access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in", "user",
    }  # fmt: skip
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 15 * 60
    assert 7 * 86_400 - 5 <= body["refresh_expires_in"] <= 7 * 86_400 + 1
    assert body["user"]["email"] == "Ada@Example.com"
    assert body["user"]["username"] == "ada"
    assert body["user"]["email_verified"] is False
    assert body["user"]["roles"] == ["user"]
    assert body["user"]["created_at"].endswith("Z")


@pytest.mark.parametrize(
    "variant",
    [
        "zoë@exämple.com",
        "ZOË@EXÄMPLE.COM",
        "  zoë@exämple.com\t",
        "ｚｏë@exämple.com",
        "zoe\u0308@exa\u0308mple.com",
        "zoë@xn--exmple-cua.com",
    ],
)
async def test_every_spelling_of_an_email_is_the_same_account(
    client: Client,
    variant: str,
) -> None:
    await sign_up(client, email="zoë@exämple.com")
    assert problem(await try_to_sign_up(client, email=variant)) == "email-taken"


@pytest.mark.parametrize("username", ["ada", "ADA", "Ada"])
async def test_a_username_is_unique_without_regard_to_case(client: Client, username: str) -> None:
    first = await try_to_sign_up(client, email=new_email(), username="ada")
    assert first.status_code == 201
    second = await try_to_sign_up(client, email=new_email(), username=username)
    assert problem(second) == "username-taken"


@pytest.mark.parametrize(
    "member",
    ["role", "roles", "id", "user_id", "is_admin", "is_active", "password_hash"],
)
async def test_members_that_nobody_may_set_are_refused(client: Client, member: str) -> None:
    response = await try_to_sign_up(client, email=new_email(), **{member: "admin"})
    assert problem(response) == "invalid-request"
    assert response.json()["errors"][0]["pointer"] == f"/{member}"


@pytest.mark.parametrize(
    "email",
    [
        "", "ada", "@example.com", "ada@", "ada@@example.com", "ada@localhost", "a b@example.com",
        "a\u0000da@example.com", "a\ud800da@example.com", "a\u202eda@example.com",
        "a\u200bda@example.com", "a\u00adda@example.com", "ada@exam\u200bple.com",
        "ada@example.com\r\nBcc: x@example.com", "x" * 250 + "@example.com", 7, None, ["a@b.com"],
    ],
)  # fmt: skip
async def test_what_is_no_email_is_422_and_never_repeated(client: Client, email: object) -> None:
    import json  # noqa: PLC0415 - httpx cannot encode lone surrogates

    response = await client.post(
        "/auth/signup",
        content=json.dumps({"email": email, "password": PASSWORD}),
        headers={"Content-Type": "application/json"},
    )
    assert problem(response) == "invalid-request"
    assert response.json()["errors"][0]["pointer"] == "/email"
    assert PASSWORD not in response.text
    assert "a b@" not in response.text


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short12", "at least 8"),
        ("x" * 257, "at most 256"),
        ("password1", "most common"),
        ("PASSWORD1", "most common"),
        ("ｐａｓｓｗｏｒｄ１", "most common"),
        ("ada.lovelace1843", "Do not build"),
        ("countess-1", "Do not build"),
        ("Latchkey2026", "Do not build"),
        ("ada.lovelace@example.com", "Do not build"),
    ],
)
async def test_a_weak_password_is_refused_with_its_reason(
    client: Client,
    password: str,
    reason: str,
) -> None:
    response = await client.post(
        "/auth/signup",
        json={"email": "ada.lovelace@example.com", "username": "countess", "password": password},
    )
    assert problem(response) == "weak-password"
    assert response.json()["errors"][0]["pointer"] == "/password"
    assert reason in response.json()["errors"][0]["detail"]
    assert password not in response.text


def test_three_thousand_leaked_passwords_that_are_long_enough_are_refused() -> None:
    leaked = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= 8][:3_000]
    assert len(leaked) == 3_000
    for word in (*leaked, *map(str.upper, leaked)):
        weakness = weakness_of(word, minimum=8, email="zoe@example.com", username=None)
        assert weakness is not None
        assert "most common" in weakness


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery latchkey staple",
        "pässwörd mit ümläuten",
        "🔑" * 64,
        " " * 3 + "spaces" * 2,
    ],
)
async def test_any_characters_make_a_password(client: Client, password: str) -> None:
    person = await sign_up(client, password=password)
    response = await client.post(
        "/auth/login",
        json={"email": person.email, "password": password},
    )
    assert response.status_code == 200


@pytest.mark.parametrize("username", ["ab", "x" * 33, ".ada", "a da", "adá", "", 7])
async def test_usernames_of_another_form_are_refused(client: Client, username: object) -> None:
    response = await try_to_sign_up(client, email=new_email(), username=username)
    assert problem(response) == "invalid-request"
    assert response.json()["errors"][0]["pointer"] == "/username"


async def test_parallel_signups_with_one_email_make_one_account(client: Client) -> None:
    email = new_email()
    responses = await asyncio.gather(*(try_to_sign_up(client, email=email) for _ in range(20)))
    statuses = sorted(r.status_code for r in responses)
    assert statuses == [201] + [409] * 19
    assert {problem(r) for r in responses if r.status_code == 409} == {"email-taken"}


async def test_nothing_is_kept_of_a_signup_whose_session_cannot_be_opened(
    client: Client,
    redis: Redis,
) -> None:
    email = new_email()
    await redis.config_set("maxmemory", "1")
    try:
        response = await try_to_sign_up(client, email=email)
    finally:
        await redis.config_set("maxmemory", "0")
    assert problem(response) == "service-unavailable"
    assert (await try_to_sign_up(client, email=email)).status_code == 201
