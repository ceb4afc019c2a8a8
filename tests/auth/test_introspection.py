"""POST /auth/introspect and /auth/revoke: what a token is worth to a service, and its end."""

import secrets
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from src.auth.models import User
from src.core.settings import Settings
from tests.auth.bad_tokens import bad_tokens
from tests.clients import Program, minted, oauth_error, register
from tests.conftest import PassTime
from tests.factories import Person, log_in, problem, refresh, sign_up
from tests.tokens import claims_of

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient
GRACE = timedelta(seconds=30)
INACTIVE = {"active": False}


@pytest.fixture
async def program(client: Client, engine: AsyncEngine) -> Program:  # noqa: ARG001 - empties the stores
    return await register(engine, customer_id="acme", may_introspect=True)


@pytest.fixture
async def ada(client: Client) -> Person:
    return await sign_up(client)


async def introspected(client: Client, program: Program, token: str) -> dict[str, Any]:
    response = await program.ask(client, "introspect", token=token)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def revoke(client: Client, program: Program, token: str) -> httpx.Response:
    return await program.ask(client, "revoke", token=token, token_type_hint="nonsense")


async def test_an_access_token_says_who_it_is_of(
    client: Client, program: Program, ada: Person
) -> None:
    claims = claims_of(ada.access_token)
    assert await introspected(client, program, ada.access_token) == {
        "active": True,
        "type": "access",
        **{name: claims[name] for name in ("sub", "sid", "roles", "iat", "exp")},
    }


async def test_a_refresh_token_is_active_while_it_would_be_accepted(
    client: Client, program: Program, ada: Person, pass_time: PassTime
) -> None:
    claims = claims_of(ada.refresh_token)
    assert await introspected(client, program, ada.refresh_token) == {
        "active": True,
        "type": "refresh",
        **{name: claims[name] for name in ("sub", "sid", "exp")},
    }
    successor = (await refresh(client, ada.refresh_token)).json()["refresh_token"]
    for token in (ada.refresh_token, successor):  # a spent one is good for the time of grace
        assert (await introspected(client, program, token))["active"] is True
    await pass_time(GRACE)
    assert await introspected(client, program, ada.refresh_token) == INACTIVE
    assert (await introspected(client, program, successor))["active"] is True


async def test_to_look_at_a_refresh_token_changes_nothing(
    client: Client, program: Program, ada: Person, redis: Redis, pass_time: PassTime
) -> None:
    async def contents() -> dict[str, Any]:
        names = [name async for name in redis.scan_iter("auth:*:s:*")]
        return {name: await redis.hgetall(name) for name in names}

    successor = (await refresh(client, ada.refresh_token)).json()["refresh_token"]
    await pass_time(GRACE)
    before = await contents()
    for token in (ada.refresh_token, successor):
        await introspected(client, program, token)
    assert await contents() == before
    assert (await refresh(client, successor)).status_code == 200  # no reuse was seen either


async def test_a_service_token_says_for_whom_it_is(
    client: Client, program: Program, settings: Settings
) -> None:
    ours = await introspected(client, program, await program.service_token(client))
    assert {n: ours[n] for n in ("active", "type", "client_id", "customer_id")} == {
        "active": True,
        "type": "service",
        "client_id": program.id,
        "customer_id": "acme",
    }
    assert settings.SERVICE_TOKEN_SECRET is not None
    theirs = minted(settings.SERVICE_TOKEN_SECRET.get_secret_value(), 42, iat=None)
    assert await introspected(client, program, theirs) == {
        "active": True,
        "type": "service",
        "customer_id": "42",
        "exp": claims_of(theirs)["exp"],
    }


async def test_of_what_has_ended_nothing_is_said(
    client: Client, program: Program, ada: Person, pass_time: PassTime
) -> None:
    phone = await log_in(client, ada)
    service_token = await program.service_token(client)
    await client.post("/auth/logout", json={"refresh_token": ada.refresh_token})
    for token in (ada.access_token, ada.refresh_token):
        assert await introspected(client, program, token) == INACTIVE
    await pass_time(timedelta(days=8))
    for token in (phone.access_token, phone.refresh_token, service_token):
        assert await introspected(client, program, token) == INACTIVE


async def test_tokens_of_a_disabled_person_are_inactive(
    client: Client, program: Program, ada: Person, engine: AsyncEngine
) -> None:
    users = User.__table__  # type: ignore[attr-defined]
    async with engine.begin() as connection:
        await connection.execute(update(users).values(is_active=False))
    for token in (ada.access_token, ada.refresh_token):
        assert await introspected(client, program, token) == INACTIVE


async def test_what_is_no_token_is_inactive_and_revoked_with_200(
    client: Client, program: Program, ada: Person, settings: Settings
) -> None:
    bad = bad_tokens(ada, settings.JWT_REFRESH_SECRET_KEY.get_secret_value())
    for name in ("access token", "lone surrogate", "empty"):
        del bad[name]  # good after all, and what no form can carry
    bad |= {"service": minted(secrets.token_urlsafe(48)), "word": "x", "large": "a" * 100_000}
    for token in bad.values():
        assert await introspected(client, program, token) == INACTIVE
        response = await revoke(client, program, token)
        assert (response.status_code, response.content) == (200, b"")
    assert (await introspected(client, program, ada.access_token))["active"] is True


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_revoking_a_token_ends_its_session_and_no_other(
    client: Client, program: Program, ada: Person, kind: str
) -> None:
    phone = await log_in(client, ada)
    assert (await revoke(client, program, getattr(phone, kind))).status_code == 200
    assert (await client.get("/auth/me", headers=phone.authorization)).status_code == 401
    assert problem(await refresh(client, phone.refresh_token)) == "invalid-refresh-token"
    assert (await refresh(client, ada.refresh_token)).status_code == 200
    assert (await revoke(client, program, getattr(phone, kind))).status_code == 200
    history = (await client.get("/auth/events", headers=ada.authorization)).json()["events"]
    assert [e["cause"] for e in history if e["event"] == "session-ended"] == ["revoked-by-client"]


async def test_a_service_token_cannot_be_revoked(client: Client, program: Program) -> None:
    response = await revoke(client, program, await program.service_token(client))
    assert (response.status_code, oauth_error(response)) == (400, "unsupported_token_type")


@pytest.mark.parametrize("path", ["introspect", "revoke"])
async def test_only_clients_that_may_are_answered(
    client: Client, program: Program, ada: Person, engine: AsyncEngine, path: str
) -> None:
    other = await register(engine, customer_id="acme")
    token = ada.access_token
    refused = await other.ask(client, path, token=token)
    nobody = await client.post(f"/auth/{path}", data={"token": token})
    a_person = await client.post(f"/auth/{path}", data={"token": token}, headers=ada.authorization)
    nothing = await program.ask(client, path)
    assert [oauth_error(response) for response in (refused, nobody, a_person, nothing)] == [
        "unauthorized_client", "invalid_client", "invalid_client", "invalid_request",
    ]  # fmt: skip
    assert (await client.get("/auth/me", headers=ada.authorization)).status_code == 200
