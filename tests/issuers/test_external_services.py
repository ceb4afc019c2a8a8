"""Services whose tokens an issuer elsewhere signs: they speak for customers, never for users."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from src.app import create_app
from src.auth.service_tokens import generate_service_token
from src.core.settings import Settings
from tests.conftest import running
from tests.factories import bearer, problem, sign_up
from tests.issuers.minting import (
    Minted,
    by_flask,
    for_a_customer,
    secret_entry,
    settings_with,
)

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient
SERVICE, BACKEND = secrets.token_urlsafe(48), secrets.token_urlsafe(48)


@pytest.fixture(scope="module")
def trusting_settings(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    named = settings_with(
        tmp_path_factory.mktemp("issuers") / "issuers.json",
        secret_entry("crm", SERVICE, allows="service"),
        secret_entry("backend", BACKEND),
    )
    return settings.model_copy(update={"TRUSTED_ISSUERS": named.TRUSTED_ISSUERS})


@pytest.fixture(scope="module")
async def trusting_client(trusting_settings: Settings) -> AsyncIterator[Client]:
    async with running(create_app(trusting_settings)) as client:
        yield client


@pytest.fixture
def here(client: Client, trusting_client: Client) -> Client:  # noqa: ARG001 - empties the stores
    return trusting_client


async def remembered(client: Client, token: str) -> Any:
    """What is remembered of one person, or the detail of the refusal."""
    path, body = "/v2/context/enriched", {"user_id": "ana"}
    response = await client.post(path, json=body, headers=bearer(token))
    if response.status_code == 401:
        return response.json()["detail"]
    assert response.status_code == 200, response.text
    return [memory["text"] for memory in response.json()["memories"]]


async def test_a_service_of_an_issuer_reads_and_writes_for_its_customer_alone(
    here: Client, settings: Settings
) -> None:
    memory = {"user_id": "ana", "text": "likes tea"}
    headers = bearer(for_a_customer(SERVICE, 42))
    written = await here.post("/v2/context/memories", json=memory, headers=headers)
    assert written.status_code == 201, written.text
    assert await remembered(here, for_a_customer(SERVICE, "42")) == ["likes tea"]
    assert await remembered(here, for_a_customer(SERVICE, "43")) == []
    own = [generate_service_token(customer, settings=settings) for customer in ("42", "43")]
    assert [await remembered(here, token) for token in own] == [["likes tea"], []]


async def test_what_is_wrong_with_a_token_is_told_in_the_agreed_words(here: Client) -> None:
    person = await sign_up(here)
    for token, detail in (
        (for_a_customer(SERVICE, 42, life=timedelta(seconds=-20)), "Token expired"),
        (for_a_customer(SERVICE, None), "Invalid token: missing customer_id"),
        (for_a_customer(SERVICE, "é"), "Invalid token"),
        (for_a_customer(SERVICE, "x" * 65), "Invalid token"),
        (for_a_customer(SERVICE, 42, life=timedelta(hours=2)), "Invalid token"),
        (for_a_customer(BACKEND, 42), "Invalid token"),
        (for_a_customer(secrets.token_urlsafe(48), 42), "Invalid token"),
        (by_flask(BACKEND, Minted()), "Invalid token"),
        (person.access_token, "Invalid token"),
    ):
        assert await remembered(here, token) == detail


async def test_a_service_is_no_user(here: Client) -> None:
    refused = await here.get("/auth/me", headers=bearer(for_a_customer(SERVICE, 42)))
    assert problem(refused) == "invalid-token"


async def test_an_issuers_services_need_no_secret_of_ours(
    client: Client,  # noqa: ARG001 - empties the stores
    trusting_settings: Settings,
) -> None:
    alone = trusting_settings.model_copy(update={"SERVICE_TOKEN_SECRET": None})
    async with running(create_app(alone)) as here:
        assert await remembered(here, for_a_customer(SERVICE, 42)) == []
        assert await remembered(here, for_a_customer(BACKEND, 42)) == "Invalid token"
        unknown = for_a_customer(secrets.token_urlsafe(48), 42)
        assert await remembered(here, unknown) == "Invalid token"
