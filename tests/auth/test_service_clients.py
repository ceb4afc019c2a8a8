"""POST /auth/token: service tokens for registered clients, and every refusal."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from src.app import create_app
from src.auth.models import AuthEvent, ServiceClient
from src.auth.service_clients import ServiceClients
from src.core.clock import utc_now
from src.core.db import build_sessionmaker, unit_of_work
from src.core.settings import Settings
from tests.clients import Program, disable, oauth_error, register
from tests.conftest import MovableClock, PassTime, running
from tests.factories import bearer, problem
from tests.tokens import claims_of

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
async def program(client: Client, engine: AsyncEngine) -> Program:  # noqa: ARG001 - empties the stores
    return await register(engine, customer_id="acme")


async def events(engine: AsyncEngine) -> list[dict[str, Any]]:
    rows = AuthEvent.__table__  # type: ignore[attr-defined]
    async with engine.connect() as connection:
        found = await connection.execute(select(rows).order_by(rows.c.seq))
        return [dict(row) for row in found.mappings()]


async def test_a_client_gets_a_token_for_its_customer(client: Client, program: Program) -> None:
    response = await program.ask(client, "token", **GRANT)

    document = response.json()
    assert response.headers["cache-control"] == "no-store"
    assert {n: v for n, v in document.items() if n != "access_token"} == {
        "token_type": "Bearer",
        "expires_in": 900,
    }
    claims = claims_of(document["access_token"])
    assert (claims["customer_id"], claims["client_id"]) == ("acme", program.id)
    in_form = await client.post("/auth/token", data={**GRANT, **program.in_form})
    assert claims_of(in_form.json()["access_token"])["jti"] != claims["jti"]
    both_named = await program.ask(client, "token", **GRANT, client_id=program.id, scope="")
    assert both_named.status_code == 200


async def test_a_secret_is_kept_as_a_hash_alone(
    program: Program, engine: AsyncEngine, client: Client
) -> None:
    await program.service_token(client)
    rows = ServiceClient.__table__  # type: ignore[attr-defined]
    async with engine.connect() as connection:
        (row,) = (await connection.execute(select(rows))).mappings()
    assert program.secret not in str(dict(row))
    assert program.secret not in str(await events(engine))
    assert len(program.secret) >= 43


async def test_what_a_client_asks_for_wrongly_is_named(client: Client, program: Program) -> None:
    for form, error in (
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({**GRANT, "scope": "admin"}, "invalid_scope"),
        ({**GRANT, "client_secret": program.secret}, "invalid_request"),
        ({**GRANT, "client_id": "another"}, "invalid_request"),
    ):
        response = await program.ask(client, "token", **form)
        assert (response.status_code, oauth_error(response)) == (400, error), form


async def test_a_form_that_is_none_is_refused(client: Client, program: Program) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", **program.basic}
    for body in (b"grant_type=client_credentials&grant_type=x", b"\xff=1", b"a", b"a=%ff", b"=&"):
        response = await client.post("/auth/token", content=body, headers=form)
        assert (response.status_code, oauth_error(response)) == (400, "invalid_request"), body
    as_json = await client.post("/auth/token", json=GRANT, headers=program.basic)
    assert problem(as_json) == "unsupported-media-type"
    two = [*form.items(), ("Authorization", "Basic YTpi")]
    response = await client.post("/auth/token", data=GRANT, headers=two)
    assert oauth_error(response) == "invalid_request"


async def test_who_is_no_client_is_401_whatever_is_wrong(
    client: Client, program: Program, engine: AsyncEngine
) -> None:
    other = await register(engine, customer_id="other")
    disabled = await register(engine, customer_id="acme")
    await disable(engine, disabled)
    answers = set()
    for headers in (
        {},
        Program(program.id, other.secret).basic,
        Program(program.id, "").basic,
        Program(program.id, "é\U0001f600").basic,
        Program("unknown", program.secret).basic,
        Program("01981c2e-7a4b-7c3e-9d5f-0123456789ab", program.secret).basic,
        disabled.basic,
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        {"Authorization": "Basic " + base64.b64encode(program.id.encode()).decode()},
        bearer(program.secret),
    ):
        response = await client.post("/auth/token", data=GRANT, headers=headers)
        assert response.headers["www-authenticate"].startswith("Basic ")
        assert oauth_error(response) == "invalid_client"
        answers.add((response.status_code, response.content))
    assert len(answers) == 1


async def test_a_new_secret_takes_the_place_of_the_old_one(
    client: Client, program: Program, engine: AsyncEngine
) -> None:
    async with unit_of_work(build_sessionmaker(engine)) as db:
        secret = await ServiceClients(db, clock=utc_now).replace_secret(program.id)
    refused = await program.ask(client, "token", **GRANT)
    assert oauth_error(refused) == "invalid_client"
    assert await Program(program.id, secret).service_token(client)


async def test_a_client_without_a_customer_gets_no_token(
    client: Client, engine: AsyncEngine
) -> None:
    program = await register(engine, may_introspect=True)
    response = await program.ask(client, "token", **GRANT)
    assert (response.status_code, oauth_error(response)) == (400, "unauthorized_client")


async def test_issued_and_refused_tokens_are_in_the_history(
    limited: Client, program: Program, engine: AsyncEngine
) -> None:
    await program.service_token(limited)
    for secret in ("wrong", "wrong again"):
        await Program(program.id, secret).ask(limited, "token", **GRANT)
    issued, refused = await events(engine)
    assert (issued["event"], issued["outcome"]) == ("service-token-issued", "success")
    assert issued["detail"] == {"client_id": program.id, "customer_id": "acme"}
    assert (refused["event"], refused["outcome"]) == ("client-refused", "refused")
    assert refused["detail"] == {"client_id": program.id}


@pytest.fixture
async def limited(
    settings: Settings,
    session_clock: MovableClock,
    client: Client,  # noqa: ARG001 - empties the stores
) -> AsyncIterator[Client]:
    """The application with limits, just started, on the same stores."""
    on = settings.model_copy(update={"RATE_LIMITS": "on"})
    async with running(create_app(on, clock=session_clock)) as limited:
        yield limited


async def test_wrong_secrets_are_counted_by_address_and_right_ones_never_refused(
    limited: Client, program: Program, pass_time: PassTime
) -> None:
    wrong = Program(program.id, "wrong")
    for _ in range(100):
        assert oauth_error(await wrong.ask(limited, "token", **GRANT)) == "invalid_client"
    refused = await wrong.ask(limited, "token", **GRANT)
    assert problem(refused) == "too-many-requests"
    assert await program.service_token(limited)
    await pass_time(timedelta(seconds=int(refused.headers["retry-after"])))
    assert oauth_error(await wrong.ask(limited, "token", **GRANT)) == "invalid_client"


async def test_without_the_shared_secret_there_are_no_service_tokens(
    settings: Settings, program: Program
) -> None:
    off = create_app(settings.model_copy(update={"SERVICE_TOKEN_SECRET": None}))
    async with running(off) as client:
        token = await program.ask(client, "token", **GRANT)
        context = await client.post("/v2/context/enriched", json={"user_id": "x"})
        for response in (token, context):
            assert problem(response) == "not-configured"
            assert response.headers["retry-after"] == "300"
