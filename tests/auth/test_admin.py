"""/admin/users: who sees and changes other people's accounts, and what a change does at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from src.app import create_app
from src.auth.models import User
from src.core.settings import Settings
from tests.conftest import make_settings, running
from tests.factories import Person, log_in, new_email, problem, refresh, sign_up
from tests.waiting import comes_true

Client = httpx.AsyncClient
ROUTES = ["GET /admin/users", "GET {}", "PATCH {}", "DELETE {}/sessions"]


@pytest.fixture
async def other_worker(settings: Settings, client: Client) -> AsyncIterator[Client]:  # noqa: ARG001
    """A second application on the same stores, as another worker process would be."""
    async with running(create_app(settings)) as other:
        yield other


async def administrator(client: Client, engine: AsyncEngine) -> Person:
    person = await sign_up(client)
    async with engine.begin() as connection:
        named = col(User.email) == person.email
        await connection.execute(update(User).where(named).values(roles=["user", "admin"]))
    return await log_in(client, person)


@pytest.fixture
async def root(client: Client, engine: AsyncEngine) -> Person:
    """The only administrator."""
    return await administrator(client, engine)


def path_of(person: Person) -> str:
    return f"/admin/users/{person.user['id']}"


async def change(client: Client, actor: Person, subject: Person, **members: Any) -> httpx.Response:
    return await client.patch(path_of(subject), json=members, headers=actor.authorization)


async def page(client: Client, actor: Person, **query: Any) -> dict[str, Any]:
    response = await client.get("/admin/users", params=query, headers=actor.authorization)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def is_accepted(client: Client, person: Person) -> bool:
    return (await client.post("/auth/verify", headers=person.authorization)).status_code == 200


async def is_refused_soon(client: Client, person: Person) -> bool:
    """Whether the person's access token comes to be refused."""

    async def is_refused() -> bool:
        return not await is_accepted(client, person)

    return await comes_true(is_refused)


@pytest.mark.parametrize("route", ROUTES)
async def test_nobody_below_an_administrator_gets_in(client: Client, route: str) -> None:
    person = await sign_up(client)
    method, path = route.format(path_of(person)).split()
    body = {"roles": ["admin"]} if method == "PATCH" else None
    response = await client.request(method, path, json=body, headers=person.authorization)
    assert (response.status_code, problem(response)) == (403, "insufficient-role")
    assert response.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    missing = path.replace(person.user["id"], str(uuid4()))
    other = await client.request(method, missing, json=body, headers=person.authorization)
    assert problem(other) == "insufficient-role"
    anonymous = await client.request(method, path, json=body)
    assert problem(anonymous) == "authentication-required"


@pytest.mark.parametrize("route", ROUTES[1:])
async def test_an_unknown_user_is_not_found_and_a_malformed_id_is_refused(
    client: Client,
    root: Person,
    route: str,
) -> None:
    for user_id, expected in ((uuid4(), "user-not-found"), ("1", "invalid-request")):
        method, path = route.format(f"/admin/users/{user_id}").split()
        body = {"is_active": False} if method == "PATCH" else None
        response = await client.request(method, path, json=body, headers=root.authorization)
        assert problem(response) == expected


async def test_an_administrator_sees_an_account(client: Client, root: Person) -> None:
    person = await sign_up(client)
    response = await client.get(path_of(person), headers=root.authorization)
    assert response.status_code == 200
    assert response.json() == {**person.user, "is_active": True, "last_login_at": None}
    await log_in(client, person)
    seen = (await client.get(path_of(person), headers=root.authorization)).json()
    assert seen["last_login_at"].endswith("Z")


async def test_pages_hold_every_account_once_while_others_sign_up(
    client: Client,
    root: Person,
) -> None:
    people = [root, *[await sign_up(client) for _ in range(4)]]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"cursor": cursor} if cursor else {}
        document = await page(client, root, limit=2, **query)
        assert len(document["users"]) <= 2
        seen += [user["id"] for user in document["users"]]
        cursor = document["next_cursor"]
        if cursor is None:
            break
        if len(people) < 7:
            people.append(await sign_up(client))
    assert seen == [person.user["id"] for person in people]


async def test_accounts_are_found_by_how_their_email_begins(client: Client, root: Person) -> None:
    for email in ("grace@example.com", "Gray_1@example.com", "grayx1@example.com"):
        await sign_up(client, email=email)

    async def found(prefix: str) -> list[str]:
        return [user["email"] for user in (await page(client, root, email=prefix))["users"]]

    assert await found("GRA") == ["grace@example.com", "Gray_1@example.com", "grayx1@example.com"]
    assert await found("gray_1") == ["Gray_1@example.com"]
    assert await found(" Grace@example.com ") == ["grace@example.com"]
    assert await found("%") == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "cursor=x", "email=%00", "email=" + "a" * 255, "email=%E2%80%8B"],
)
async def test_query_parameters_out_of_range_are_refused(
    client: Client,
    root: Person,
    query: str,
) -> None:
    response = await client.get(f"/admin/users?{query}", headers=root.authorization)
    assert problem(response) == "invalid-request"


@pytest.mark.parametrize(
    "body",
    [
        {"roles": ["Admin"]},
        {"roles": [""]},
        {"roles": ["1st"]},
        {"roles": ["a" * 33]},
        {"roles": ["admin\n"]},
        {"roles": [f"role-{n}" for n in range(11)]},
        {"roles": "admin"},
        {"is_active": "no"},
        {"email": "new@example.com"},
    ],
)
async def test_a_change_that_is_not_acceptable_changes_nothing(
    client: Client,
    root: Person,
    body: dict[str, Any],
) -> None:
    person = await sign_up(client)
    assert problem(await change(client, root, person, **body)) == "invalid-request"
    assert (await client.get("/auth/me", headers=person.authorization)).json() == person.user


async def test_given_roles_are_in_the_tokens_of_the_next_login(
    client: Client,
    root: Person,
) -> None:
    person = await sign_up(client)
    response = await change(client, root, person, roles=["admin", "support", "admin"])
    assert response.status_code == 200
    assert response.json()["roles"] == ["admin", "support"]
    promoted = await log_in(client, person)
    assert promoted.user["roles"] == ["admin", "support"]
    assert (await page(client, promoted))["users"]


@pytest.mark.parametrize("change_of_account", [{"roles": ["user"]}, {"is_active": False}])
async def test_a_demotion_or_disabling_bites_everywhere_within_a_second(
    client: Client,
    other_worker: Client,
    engine: AsyncEngine,
    root: Person,
    change_of_account: dict[str, Any],
) -> None:
    second = await administrator(client, engine)
    assert (await page(other_worker, second))["users"]
    assert (await change(client, root, second, **change_of_account)).status_code == 200
    assert await is_refused_soon(other_worker, second)
    for worker in (client, other_worker):
        response = await worker.get("/admin/users", headers=second.authorization)
        assert problem(response) == "invalid-token"
        refused = await refresh(worker, second.refresh_token)
        assert problem(refused) == "invalid-refresh-token"


async def test_a_change_of_nothing_ends_no_session(client: Client, root: Person) -> None:
    person = await sign_up(client)
    for body in ({}, {"roles": ["user"]}, {"is_active": True}, {"roles": None}):
        assert (await change(client, root, person, **body)).status_code == 200
    assert (await client.get("/auth/me", headers=person.authorization)).status_code == 200
    assert (await refresh(client, person.refresh_token)).status_code == 200


async def test_a_disabled_account_answers_like_a_wrong_password_until_it_is_enabled(
    client: Client,
    root: Person,
) -> None:
    person = await sign_up(client)
    credentials = {"email": person.email, "password": person.password}
    assert (await change(client, root, person, is_active=False)).json()["is_active"] is False
    refused = await client.post("/auth/login", json=credentials)
    unknown = await client.post("/auth/login", json={**credentials, "email": new_email()})
    assert problem(refused) == problem(unknown) == "invalid-credentials"
    assert refused.json()["detail"] == unknown.json()["detail"]
    assert (await change(client, root, person, is_active=True)).json()["is_active"] is True
    assert await log_in(client, person)


async def test_an_administrator_ends_all_sessions_of_somebody(
    client: Client,
    other_worker: Client,
    root: Person,
) -> None:
    laptop, stranger = await sign_up(client), await sign_up(client)
    phone = await log_in(client, laptop)
    response = await client.delete(f"{path_of(laptop)}/sessions", headers=root.authorization)
    assert (response.status_code, response.content) == (204, b"")
    for person in (laptop, phone):
        assert await is_refused_soon(other_worker, person)
        assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"
    assert (await refresh(client, stranger.refresh_token)).status_code == 200
    assert await log_in(client, laptop)


@pytest.mark.parametrize("body", [{"roles": ["user"]}, {"is_active": False}])
async def test_the_last_active_administrator_stays(
    client: Client,
    engine: AsyncEngine,
    root: Person,
    body: dict[str, Any],
) -> None:
    retired = await administrator(client, engine)
    assert (await change(client, root, retired, is_active=False)).status_code == 200
    await sign_up(client, email="admin@example.com")
    response = await change(client, root, root, **body)
    assert (response.status_code, problem(response)) == (409, "last-administrator")
    assert (await page(client, root))["users"][0]["roles"] == ["user", "admin"]
    assert (await change(client, root, root, roles=["admin", "owner"])).status_code == 200


async def those_left(client: Client, *people: Person) -> list[Person]:
    """Who is accepted once this worker has heard of what the other one did."""
    left: list[Person] = []

    async def one_is_refused() -> bool:
        left[:] = [person for person in people if await is_accepted(client, person)]
        return len(left) < len(people)

    await comes_true(one_is_refused)
    return left


async def test_two_administrators_who_demote_each_other_at_once_leave_one(
    client: Client,
    other_worker: Client,
    engine: AsyncEngine,
    root: Person,
) -> None:
    for round_ in range(10):
        second = await administrator(client, engine)
        members = {"roles": ["user"]} if round_ % 2 else {"is_active": False}
        answers = await asyncio.gather(
            change(client, root, second, **members),
            change(other_worker, second, root, **members),
        )
        left = await those_left(client, root, second)
        assert len(left) == 1, [answer.text for answer in answers]
        assert (await page(client, left[0]))["users"]
        assert {answer.status_code for answer in answers} <= {200, 401, 409}
        root = left[0]


async def test_no_login_beside_a_demotion_keeps_the_old_role(
    client: Client,
    other_worker: Client,
    engine: AsyncEngine,
    root: Person,
) -> None:
    second = await administrator(client, engine)
    credentials = {"email": second.email, "password": second.password}
    for _ in range(8):
        logins = [other_worker.post("/auth/login", json=credentials) for _ in range(4)]
        demoted, *answers = await asyncio.gather(
            change(client, root, second, roles=["user"]),
            *logins,
        )
        assert demoted.status_code == 200
        for answer in answers:
            assert answer.status_code in (200, 401)
            if answer.status_code == 200:
                headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
                seen = await client.get("/admin/users", headers=headers)
                assert seen.status_code in (401, 403)
        await change(client, root, second, roles=["user", "admin"])


async def test_no_password_change_beside_a_demotion_keeps_the_old_role(
    client: Client,
    other_worker: Client,
    engine: AsyncEngine,
    root: Person,
) -> None:
    for _ in range(8):
        second = await administrator(client, engine)
        passwords = {"current_password": second.password, "new_password": "quite another phrase"}
        changed, demoted = await asyncio.gather(
            other_worker.post("/auth/password", json=passwords, headers=second.authorization),
            change(client, root, second, roles=["user"]),
        )
        assert demoted.status_code == 200
        assert changed.status_code in (200, 401)
        if changed.status_code == 200:
            headers = {"Authorization": f"Bearer {changed.json()['access_token']}"}
            seen = await client.get("/admin/users", headers=headers)
            assert seen.status_code in (401, 403)


async def test_nothing_changes_while_redis_is_away(
    client: Client,
    settings: Settings,
    root: Person,
) -> None:
    person = await sign_up(client)
    keys = {
        name: getattr(settings, name).get_secret_value()
        for name in ("JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY")
    }
    cut_off = make_settings(
        DATABASE_URL=settings.DATABASE_URL,
        REDIS_URL="redis://127.0.0.1:1/0",
        **keys,
    )
    async with running(create_app(cut_off)) as worker:
        assert problem(await change(worker, root, person, is_active=False)) == "service-unavailable"
    seen = (await client.get(path_of(person), headers=root.authorization)).json()
    assert seen["is_active"] is True
    assert (await refresh(client, person.refresh_token)).status_code == 200
