"""Latchkey and Better Auth on one database: signed in there, answered here, until the sign-out."""

import asyncio
from typing import Any

import httpx
import pytest

from src.app import create_app
from tests.conftest import make_settings, migrate, running
from tests.factories import bearer, new_email, problem
from tests.interop.conftest import Start
from tests.issuers.better_auth_tables import postgresql_database
from tests.servers import RedisServer

pytestmark = pytest.mark.interop

ORIGIN = "https://shop.example.com"


async def test_chatkit_is_for_whoever_is_signed_in_at_better_auth(
    start_on: Start, postgresql_url: str, redis_server: RedisServer
) -> None:
    async with (
        postgresql_database(postgresql_url, "one_for_both") as url,
        start_on(url) as better_auth,
    ):
        await asyncio.to_thread(migrate, url, "head")  # it has an event loop of its own
        settings = make_settings(
            DATABASE_URL=url,
            REDIS_URL=redis_server.url,
            BETTER_AUTH_SECRET=better_auth.secret,
            BETTER_AUTH_ISSUER=better_auth.url,
            CORS_ORIGINS=ORIGIN,
        )
        signed_in = await better_auth.sign_up(new_email())
        token = await better_auth.jwt(signed_in.session_token)
        async with running(create_app(settings)) as client:
            for good in (signed_in.session_token, signed_in.cookie, token):
                assert (await threads(client, good)).json()["data"] == []

            await better_auth.sign_out(signed_in.session_token)

            assert_says(
                await threads(client, signed_in.cookie), 401, "Invalid or expired JWT token"
            )
            assert_says(await threads(client, token), 404, "No active sessions found for user")


async def threads(client: httpx.AsyncClient, token: str) -> httpx.Response:
    body: dict[str, Any] = {"type": "threads.list", "params": {}}
    headers = {**bearer(token), "Origin": ORIGIN}
    return await client.post("/support/chatkit", json=body, headers=headers)


def assert_says(response: httpx.Response, status: int, error: str) -> None:
    assert problem(response)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.headers["access-control-allow-origin"] == ORIGIN
