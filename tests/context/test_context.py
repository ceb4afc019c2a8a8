"""POST /v2/context/…: a customer's memories, by the service token alone."""

import secrets
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from src.auth.service_tokens import generate_service_token
from src.context.service import MOST_MEMORIES
from src.core.settings import Settings
from tests.clients import claims_for, minted
from tests.factories import bearer, problem, sign_up
from tests.tokens import signed

Client = httpx.AsyncClient
ANA = "+34600123456"
PATHS = ("/v2/context/enriched", "/v2/context/memories")


class Service:
    """Somebody's program that speaks for a customer."""

    def __init__(self, client: Client, token: str) -> None:
        self._client = client
        self.token = token

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self._client.post(f"/v2/context/{path}", json=body, headers=bearer(self.token))

    async def remember(self, text: str, user_id: str = ANA, **more: Any) -> dict[str, Any]:
        response = await self.post("memories", user_id=user_id, text=text, **more)
        assert response.status_code == 201, response.text
        memory: dict[str, Any] = response.json()
        return memory

    async def remembered(self, user_id: str = ANA) -> list[dict[str, Any]]:
        response = await self.post("enriched", user_id=user_id)
        assert response.status_code == 200, response.text
        document = response.json()
        assert set(document) == {"memories"}
        return list(document["memories"])


@pytest.fixture
def secret(settings: Settings) -> str:
    assert settings.SERVICE_TOKEN_SECRET is not None
    return settings.SERVICE_TOKEN_SECRET.get_secret_value()


@pytest.fixture
def acme(client: Client, settings: Settings) -> Service:
    return Service(client, generate_service_token("acme", settings=settings))


@pytest.fixture
def rival(client: Client, settings: Settings) -> Service:
    return Service(client, generate_service_token("rival", settings=settings))


async def test_what_is_remembered_comes_back_newest_first(acme: Service) -> None:
    metadata = {"source": "call", "tags": ["a", {"b": None}], "score": 0.5}
    first = await acme.remember("likes tea ☕", metadata=metadata)
    second = await acme.remember("prefers mornings")
    assert first == {
        "id": first["id"],
        "user_id": ANA,
        "text": "likes tea ☕",
        "metadata": metadata,
        "created_at": first["created_at"],
    }
    assert first["created_at"].endswith("Z")
    assert second["metadata"] is None
    assert await acme.remembered() == [second, first]
    assert await acme.remembered("somebody else") == []


async def test_no_customer_sees_anothers_whatever_the_request_says(
    client: Client, acme: Service, rival: Service
) -> None:
    own = await rival.remember("of the rival")
    await acme.remember("a secret of acme's")
    assert await rival.remembered() == [own]
    for more in ({"customer_id": "acme"}, {"customer": "acme"}, {"where": {"customer_id": "acme"}}):
        for path, body in (("enriched", {}), ("memories", {"text": "x"})):
            response = await rival.post(path, user_id=ANA, **body, **more)
            assert problem(response) == "invalid-request"
    disguised = await client.post(
        "/v2/context/enriched?customer_id=acme&user_id=x",
        json={"user_id": ANA},
        headers={**bearer(rival.token), "X-Customer-Id": "acme", "Cookie": "customer_id=acme"},
    )
    assert disguised.json() == {"memories": [own]}
    for user_id in ("%", "_" * len(ANA), f"{ANA}' OR '1'='1", "*", ANA[:-1]):
        assert await rival.remembered(user_id) == []


async def test_every_statement_on_memories_names_the_customer(acme: Service) -> None:
    statements: list[str] = []

    def listen(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "memories" in statement:
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        await acme.remember("x")
        await acme.remembered()
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    assert len(statements) == 2
    insert, select = statements
    assert "customer_id" in insert
    assert "customer_id" in select.partition("WHERE")[2]


@pytest.mark.one_database
async def test_a_number_and_its_digits_are_one_customer(client: Client, secret: str) -> None:
    number, digits = Service(client, minted(secret, 1)), Service(client, minted(secret, "1"))
    memory = await number.remember("x")
    assert await digits.remembered() == [memory]
    assert await Service(client, minted(secret, "01")).remembered() == []


@pytest.mark.one_database
async def test_at_most_a_hundred_come_back(acme: Service) -> None:
    for number in range(MOST_MEMORIES + 1):
        await acme.remember(str(number))
    texts = [memory["text"] for memory in await acme.remembered()]
    assert texts == [str(number) for number in range(MOST_MEMORIES, 0, -1)]


@pytest.mark.one_database
async def test_who_has_no_service_token_is_told_why(
    client: Client, secret: str, settings: Settings
) -> None:
    person = await sign_up(client)
    access_key = settings.JWT_SECRET_KEY.get_secret_value()
    now = int(time.time())
    wrong: list[tuple[dict[str, str], str]] = [
        ({}, "Missing Authorization header"),
        ({"Authorization": ""}, "Invalid token"),
        ({"Authorization": "Bearer"}, "Invalid token"),
        ({"Authorization": "Bearer "}, "Invalid token"),
        ({"Authorization": "Basic YTpi"}, "Invalid token"),
        (bearer("x"), "Invalid token"),
        (person.authorization, "Invalid token"),
        (bearer(person.refresh_token), "Invalid token"),
        (bearer(minted(access_key)), "Invalid token"),
        (bearer(minted(secrets.token_urlsafe(48))), "Invalid token"),
        (bearer(minted(secret, exp=None)), "Invalid token"),
        (bearer(minted(secret, exp=now + 30 * 3600)), "Invalid token"),
        (bearer(minted(secret, type="access")), "Invalid token"),
        (bearer(signed(claims_for("acme"), {"alg": "none"}, secret=secret)), "Invalid token"),
        (bearer(minted(secret, iat=now - 90, exp=now - 30)), "Token expired"),
        (bearer(minted(secret, None)), "Invalid token: missing customer_id"),
        (bearer(minted(secret, "")), "Invalid token: missing customer_id"),
    ]
    for headers, detail in wrong:
        for path in PATHS:
            response = await client.post(path, json={"user_id": ANA}, headers=headers)
            missing = detail.startswith("Missing")
            assert problem(response) == (
                "authentication-required" if missing else "invalid-token"
            ), headers
            assert (response.status_code, response.json()["detail"]) == (401, detail), headers
            assert response.headers["www-authenticate"] == (
                "Bearer" if missing else 'Bearer error="invalid_token"'
            )
    twice = [("Authorization", f"Bearer {minted(secret)}")] * 2
    response = await client.post(PATHS[0], json={"user_id": ANA}, headers=twice)
    assert response.json()["detail"] == "Invalid token"


@pytest.mark.one_database
async def test_a_service_token_is_no_persons(client: Client, acme: Service) -> None:
    for method, path in (
        ("GET", "/auth/me"),
        ("POST", "/auth/verify"),
        ("GET", "/chat/sessions"),
        ("GET", "/anatomy/"),
        ("GET", "/admin/users"),
        ("POST", "/auth/logout"),
    ):
        response = await client.request(method, path, headers=bearer(acme.token))
        assert problem(response) == "invalid-token", path
    response = await client.post("/auth/refresh", json={"refresh_token": acme.token})
    assert problem(response) == "invalid-refresh-token"


@pytest.mark.one_database
async def test_what_is_too_large_or_of_another_shape_is_refused(acme: Service) -> None:
    wrong: list[dict[str, Any]] = [
        {},
        {"user_id": ""},
        {"user_id": 7},
        {"user_id": None},
        {"user_id": "a" * 129},
        {"user_id": "a\x00"},
        {"text": ""},
        {"text": "a" * 8_001},
        {"text": None},
        {"metadata": []},
        {"metadata": "x"},
        {"metadata": {"a": {"b": {"c": {"d": {}}}}}},
        {"metadata": {"a": [[[[]]]]}},
        {"metadata": {"a": "é" * 2_048}},
    ]
    for change in wrong:
        body = {"user_id": ANA, "text": "x", **change} if change else {}
        response = await acme.post("memories", **body)
        assert problem(response) == "invalid-request", change
    for user_id in ("", None, 7, ["a"], "a" * 129):
        assert problem(await acme.post("enriched", user_id=user_id)) == "invalid-request"
    assert await acme.remembered() == []


async def test_what_just_fits_is_kept_whole(acme: Service) -> None:
    metadata = {"a": {"b": {"c": []}}, "d": "é" * 1_900, "n": 10**100, "e": {}}
    memory = await acme.remember("a" * 8_000, "u" * 128, metadata=metadata)
    assert (memory["metadata"], len(memory["text"])) == (metadata, 8_000)
    assert await acme.remembered("u" * 128) == [memory]
