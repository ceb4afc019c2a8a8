"""Who is asking: the three errors in exactly their cases, before anything else is looked at."""

import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from src.app import create_app
from src.support.router import router
from tests.conftest import make_settings, running
from tests.factories import bearer, problem
from tests.features import client_of
from tests.issuers.better_auth_tables import SECRET, Deployment, minted, random_text, signed
from tests.servers import RedisServer
from tests.support.chatkit import EVENT, Customer, text

pytestmark = pytest.mark.one_database

PATH = "/support/chatkit"
ORIGIN = "https://app.example"
UNAUTHORIZED = "Invalid or expired JWT token"
UNKNOWN = "User not found with provided email"
NOWHERE = "No active sessions found for user"


def error(response: httpx.Response) -> tuple[str, int, str]:
    body = response.json()
    assert body["status"] == response.status_code
    return problem(response), body["status"], body["error"]


async def test_no_token_or_a_bad_one_is_a_401_before_the_body_is_looked_at(
    support: httpx.AsyncClient,
) -> None:
    bodies: list[dict[str, Any]] = [
        {"json": {"type": "threads.list", "params": {}}},
        {"content": b"{", "headers": {"Content-Type": "text/plain"}},
    ]
    for body in bodies:
        for headers, slug in (
            ([], "authentication-required"),
            ([("Authorization", "Basic YTpi")], "authentication-required"),
            ([("Authorization", "Bearer ")], "invalid-token"),
            ([("Authorization", "Bearer a.b.c")], "invalid-token"),
            ([("Authorization", f"Bearer {random_text()}")] * 2, "invalid-token"),
            ([("Authorization", f"Bearer {minted({'sub': 'a'}, key='b' * 32)}")], "invalid-token"),
            ([("Authorization", "Bearer é")], "invalid-token"),
        ):
            given = [*body.get("headers", {}).items(), *headers]
            refused = await support.post(
                PATH, **{**body, "headers": [(n.encode(), v.encode()) for n, v in given]}
            )
            assert error(refused) == (slug, 401, UNAUTHORIZED), headers
            assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_session_that_is_over_is_a_401_and_a_user_without_any_a_404(
    ada: Customer, deployment: Deployment, support: httpx.AsyncClient
) -> None:
    async def ask(token: str) -> httpx.Response:
        body = {"type": "threads.list", "params": {}}
        return await support.post(PATH, json=body, headers=bearer(token))

    by_id, by_email = minted({"sub": ada.user.id}), minted({"email": ada.user.email})
    for good in (ada.session_token, signed(ada.session_token), by_id, by_email):
        assert (await ask(good)).status_code == 200
    expired = await deployment.sign_in(ada.user, lasting=timedelta(seconds=-1))
    await deployment.sign_out(ada.session_token)
    for over in (ada.session_token, signed(ada.session_token), expired):
        assert error(await ask(over)) == ("invalid-token", 401, UNAUTHORIZED)
    for nowhere in (by_id, by_email):
        assert error(await ask(nowhere)) == ("no-active-sessions", 404, NOWHERE)
    for unknown in ({"sub": random_text()}, {"email": "nobody@example.com"}):
        assert error(await ask(minted(unknown))) == ("user-not-found", 404, UNKNOWN)


async def test_without_better_auths_keys_nothing_is_looked_at(ada: Customer) -> None:
    async with client_of(router, better_auth=None) as client:
        refused = await client.post(PATH, headers=ada.headers, content=b"{")
    assert error(refused)[:2] == ("not-configured", 503)


async def test_every_attempt_is_logged_and_no_token(
    ada: Customer, support: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="latchkey"):
        await ada.read("threads.list")
        stranger = random_text()
        await support.post(PATH, headers=bearer(stranger))
        await support.post(PATH)
    logged: list[Any] = [(r.getMessage(), getattr(r, "fields", {})) for r in caplog.records]
    attempts = [fields["outcome"] for name, fields in logged if name == "better-auth-identity"]
    assert attempts == ["accepted", "refused"]
    problems = [fields["problem"] for name, fields in logged if name == "problem"]
    assert problems == ["invalid-token", "authentication-required"]
    for token in (ada.session_token, stranger):
        assert token not in str(logged)


@pytest.fixture
async def served(
    redis_server: RedisServer, database_url: str, deployment: Deployment
) -> AsyncIterator[httpx.AsyncClient]:
    """The whole application, which trusts the same Better Auth."""
    settings = make_settings(
        DATABASE_URL=database_url,
        REDIS_URL=redis_server.url,
        BETTER_AUTH_SECRET=SECRET,
        BETTER_AUTH_DATABASE_URL=deployment.url,
        CORS_ORIGINS=ORIGIN,
    )
    async with running(create_app(settings)) as client:
        yield client


async def test_pages_elsewhere_may_read_every_answer(
    served: httpx.AsyncClient, deployment: Deployment
) -> None:
    user = await deployment.add_user()
    nowhere = minted({"sub": user.id})
    preflight = await served.options(
        PATH,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    unauthorized = await served.post(PATH, headers={"Origin": ORIGIN})
    lost = await served.post(PATH, headers={"Origin": ORIGIN, **bearer(nowhere)})
    token = await deployment.sign_in(user)
    body = {"type": "threads.create", "params": {"input": text("What does the spleen do?")}}
    reply = await served.post(PATH, json=body, headers={"Origin": ORIGIN, **bearer(token)})
    answers = [preflight, unauthorized, lost, reply]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 200]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    lines = reply.text.removesuffix("\n\n").split("\n\n")
    events = [EVENT.validate_python(json.loads(line.removeprefix("data: "))) for line in lines]
    assert "spleen" in events[-1].item.content[0].text.lower()
