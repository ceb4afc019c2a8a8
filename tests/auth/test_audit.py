"""The history of authentication: complete, and each person's own."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from src.app import create_app
from src.auth.models import AuthEvent, User
from src.core.settings import Settings
from tests.auth.test_limits import instance
from tests.conftest import MovableClock, PassTime, running
from tests.factories import Person, log_in, problem, refresh, sign_up
from tests.tokens import claims_of

Client = httpx.AsyncClient
Event = dict[str, Any]

rows = AuthEvent.__table__  # type: ignore[attr-defined]


async def history(client: Client, person: Person, **query: Any) -> list[Event]:
    """A person's own history, newest first, all pages of it."""
    found: list[Event] = []
    while True:
        response = await client.get("/auth/events", params=query, headers=person.authorization)
        assert response.status_code == 200, response.text
        page = response.json()
        found += page["events"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


async def told(client: Client, person: Person) -> list[tuple[str, str | None]]:
    """What happened and why, oldest first."""
    return [(e["event"], e["cause"]) for e in reversed(await history(client, person))]


async def why_ended(client: Client, reader: Person, ended: Person) -> list[str]:
    """The reasons that the reader's history gives for the end of one session."""
    session_id = claims_of(ended.access_token)["sid"]
    return [
        event["cause"]
        for event in await history(client, reader)
        if event["event"] == "session-ended" and event["session_id"] == session_id
    ]


async def test_a_history_tells_what_happened_when_where_and_on_what(client: Client) -> None:
    person = await sign_up(client)
    (event,) = await history(client, person)
    assert event["at"].endswith("Z")
    assert {name: event[name] for name in event if name != "at"} == {
        "event": "signed-up",
        "outcome": "success",
        "cause": None,
        "session_id": claims_of(person.access_token)["sid"],
        "ip": "127.0.0.1",
        "device": event["device"],
    }
    assert event["device"]


async def test_a_refused_request_is_in_the_history(client: Client) -> None:
    person = await sign_up(client)
    wrong = {"email": person.email, "password": "not the password"}
    assert problem(await client.post("/auth/login", json=wrong)) == "invalid-credentials"
    response = await client.post(
        "/auth/password",
        json={"current_password": "not it either", "new_password": "an entirely new phrase"},
        headers=person.authorization,
    )
    assert problem(response) == "wrong-password"
    refused = [e["event"] for e in await history(client, person) if e["outcome"] == "refused"]
    assert refused == ["password-refused", "login-failed"]


async def test_a_log_in_to_no_account_is_recorded_of_nobody(
    client: Client,
    engine: AsyncEngine,
) -> None:
    await client.post("/auth/login", json={"email": "nobody@example.com", "password": "x"})
    async with engine.connect() as connection:
        (row,) = (await connection.execute(select(rows))).mappings()
    assert (row["event"], row["user_id"], row["actor_id"]) == ("login-failed", None, None)
    assert "nobody@example.com" not in str(dict(row))


async def test_a_refresh_that_succeeds_leaves_no_row(client: Client) -> None:
    person = await sign_up(client)
    await refresh(client, person.refresh_token)
    assert await told(client, person) == [("signed-up", None)]


async def test_of_another_person_nothing_is_shown(client: Client) -> None:
    ada, grace = await sign_up(client), await sign_up(client)
    await log_in(client, ada)
    assert await told(client, grace) == [("signed-up", None)]
    for query in ({"user_id": ada.user["id"]}, {"user": ada.user["id"]}):
        assert len(await history(client, grace, **query)) == 1


async def test_pages_are_the_whole_history_once(client: Client) -> None:
    person = await sign_up(client)
    for _ in range(4):
        await log_in(client, person)
    assert await history(client, person, limit=2) == await history(client, person)
    assert len(await history(client, person, limit=2)) == 5


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"limit": "a"}])
async def test_a_page_that_cannot_be_is_422(client: Client, query: dict[str, Any]) -> None:
    person = await sign_up(client)
    response = await client.get("/auth/events", params=query, headers=person.authorization)
    assert problem(response) == "invalid-request"


async def test_a_cursor_beyond_all_rows_is_the_first_page(client: Client) -> None:
    person = await sign_up(client)
    assert len(await history(client, person, cursor="_" * 21 + "w")) == 1


async def test_log_outs_say_which_they_were(client: Client) -> None:
    laptop = await sign_up(client)
    phone, tablet, reader = [await log_in(client, laptop) for _ in range(3)]
    await client.post("/auth/logout", headers=laptop.authorization)
    session_id = claims_of(phone.access_token)["sid"]
    await client.delete(f"/auth/sessions/{session_id}", headers=reader.authorization)
    await client.post("/auth/logout", json={"scope": "others"}, headers=reader.authorization)
    assert await why_ended(client, reader, laptop) == ["logout"]
    assert await why_ended(client, reader, phone) == ["ended-by-owner"]
    assert await why_ended(client, reader, tablet) == ["logout-others"]
    await client.post("/auth/logout", json={"scope": "global"}, headers=reader.authorization)
    later = await log_in(client, laptop)
    assert await why_ended(client, later, reader) == ["logout-global"]


async def test_a_replaced_password_is_the_reason_of_the_sessions_that_it_ends(
    client: Client,
) -> None:
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    response = await client.post(
        "/auth/password",
        json={"current_password": laptop.password, "new_password": "an entirely new phrase"},
        headers=laptop.authorization,
    )
    now = Person(laptop.email, "", response.json()["access_token"], "", laptop.user)
    for ended in (laptop, phone):
        assert await why_ended(client, now, ended) == ["password-change"]
    assert (await told(client, now))[-1] == ("password-changed", None)


async def test_reuse_is_the_reason_of_the_session_that_it_ends(
    client: Client,
    pass_time: PassTime,
) -> None:
    person = await sign_up(client)
    await refresh(client, person.refresh_token)
    await pass_time(timedelta(minutes=2))
    assert problem(await refresh(client, person.refresh_token)) == "refresh-token-reused"
    reader = await log_in(client, person)
    assert await why_ended(client, reader, person) == ["reuse-detected"]
    assert ("refresh-refused", "REUSE") in await told(client, reader)


async def test_a_session_that_expired_says_so_once_when_its_owner_looks(
    client: Client,
    pass_time: PassTime,
) -> None:
    person = await sign_up(client)
    await pass_time(timedelta(days=8))
    for _ in range(3):
        assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"
    reader = await log_in(client, person)
    for _ in range(2):
        assert await why_ended(client, reader, person) == ["expired"]


async def test_an_old_token_of_a_living_session_tells_of_no_end(
    client: Client,
    pass_time: PassTime,
) -> None:
    person = await sign_up(client)
    await pass_time(timedelta(days=5))
    successor = (await refresh(client, person.refresh_token)).json()
    await pass_time(timedelta(days=5))
    assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"
    assert (await refresh(client, successor["refresh_token"])).status_code == 200
    reader = await log_in(client, person)
    assert await why_ended(client, reader, person) == []


async def test_a_session_that_was_ended_does_not_expire_as_well(
    client: Client,
    pass_time: PassTime,
) -> None:
    person = await sign_up(client)
    await client.post("/auth/logout", headers=person.authorization)
    await pass_time(timedelta(days=8))
    await refresh(client, person.refresh_token)
    reader = await log_in(client, person)
    assert await why_ended(client, reader, person) == ["logout"]


async def test_the_cap_is_the_reason_of_the_oldest_session_s_end(client: Client) -> None:
    oldest = await sign_up(client)
    for _ in range(20):
        newest = await log_in(client, oldest)
    assert await why_ended(client, newest, oldest) == ["cap"]


async def drop_the_table(engine: AsyncEngine, *, back: bool) -> None:
    names = ("moved_away", "auth_events") if back else ("auth_events", "moved_away")
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE {} RENAME TO {}".format(*names)))


@pytest.fixture
async def without_history(client: Client, engine: AsyncEngine) -> AsyncIterator[Client]:
    await drop_the_table(engine, back=False)
    yield client
    await drop_the_table(engine, back=True)


async def test_nobody_is_let_in_when_the_history_cannot_be_written(
    without_history: Client,
) -> None:
    body = {"email": "ada@example.com", "password": "correct horse battery staple"}
    response = await without_history.post("/auth/signup", json=body)
    assert problem(response) == "service-unavailable"
    assert response.headers["retry-after"]
    response = await without_history.post("/auth/login", json=body)
    assert problem(response) == "service-unavailable"


@pytest.mark.one_database
async def test_a_session_that_nobody_was_told_of_is_none(
    client: Client, engine: AsyncEngine
) -> None:
    person = await sign_up(client)
    body = {"email": person.email, "password": person.password}
    await drop_the_table(engine, back=False)
    try:
        assert problem(await client.post("/auth/login", json=body)) == "service-unavailable"
    finally:
        await drop_the_table(engine, back=True)
    found = (await client.get("/auth/sessions", headers=person.authorization)).json()["sessions"]
    assert [session["current"] for session in found] == [True]


async def test_what_takes_access_away_works_without_the_history(
    client: Client,
    engine: AsyncEngine,
) -> None:
    person = await sign_up(client)
    await drop_the_table(engine, back=False)
    try:
        wrong = {"email": person.email, "password": "not the password"}
        assert problem(await client.post("/auth/login", json=wrong)) == "invalid-credentials"
        response = await client.post("/auth/logout", headers=person.authorization)
        assert response.status_code == 204
    finally:
        await drop_the_table(engine, back=True)
    assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"


@pytest.fixture
async def root(client: Client, engine: AsyncEngine) -> Person:
    """An administrator."""
    person = await sign_up(client)
    async with engine.begin() as connection:
        named = col(User.email) == person.email
        await connection.execute(update(User).where(named).values(roles=["user", "admin"]))
    return await log_in(client, person)


async def all_events(client: Client, reader: Person, **query: Any) -> list[Event]:
    response = await client.get("/admin/events", params=query, headers=reader.authorization)
    assert response.status_code == 200, response.text
    found: list[Event] = response.json()["events"]
    return found


async def test_what_an_administrator_does_is_in_the_history_of_whom_it_concerns(
    client: Client,
    root: Person,
) -> None:
    person = await sign_up(client)
    path = f"/admin/users/{person.user['id']}"
    await client.delete(f"{path}/sessions", headers=root.authorization)
    demoted = await log_in(client, person)
    await client.patch(path, json={"roles": ["user", "tester"]}, headers=root.authorization)
    disabled = await log_in(client, person)
    for is_active in (False, True):
        await client.patch(path, json={"is_active": is_active}, headers=root.authorization)
    reader = await log_in(client, person)
    assert await why_ended(client, reader, person) == ["ended-by-administrator"]
    assert await why_ended(client, reader, demoted) == ["role-change"]
    assert await why_ended(client, reader, disabled) == ["disabled"]
    changes = await all_events(client, root, user_id=person.user["id"], limit=100)
    done = [e for e in changes if e["event"] in ("user-changed", "user-sessions-ended")]
    assert {e["actor_id"] for e in done} == {root.user["id"]}
    assert [e["detail"] for e in done] == [
        {"roles": ["user", "tester"], "is_active": True},
        {"roles": ["user", "tester"], "is_active": False},
        {"roles": ["user", "tester"], "is_active": True},
        {},
    ]


async def test_administrators_see_everybody_s_history_with_all_columns(
    client: Client,
    root: Person,
) -> None:
    person = await sign_up(client)
    response = await client.get("/auth/me", headers=person.authorization)
    await client.post("/auth/logout", headers=person.authorization)
    found = await all_events(client, root)
    assert [e["seq"] for e in found] == [4, 3, 2, 1]
    assert [e["user_id"] for e in found] == [person.user["id"]] * 2 + [root.user["id"]] * 2
    assert found[0]["request_id"] != response.headers["x-request-id"]
    assert len({e["request_id"] for e in found}) == len({e["hash"] for e in found}) == 4


async def test_nobody_else_sees_everybody_s_history(client: Client, root: Person) -> None:
    person = await sign_up(client)
    for _ in range(3):
        response = await client.get("/admin/events", headers=person.authorization)
        assert problem(response) == "insufficient-role"
    refusals = [e for e in await all_events(client, root) if e["event"] == "role-refused"]
    assert len(refusals) == 1, "it costs nothing to repeat, so it is told once a minute"
    assert refusals[0]["user_id"] == person.user["id"]


async def test_a_limit_that_is_reached_is_in_the_history(
    client: Client,
    root: Person,
    settings: Settings,
) -> None:
    limited = settings.model_copy(update={"RATE_LIMITS": "on"})
    wrong = {"email": root.email, "password": "not the password"}
    async with running(create_app(limited)) as worker:
        answers = [(await worker.post("/auth/login", json=wrong)).status_code for _ in range(13)]
    assert answers == [401] * 10 + [429] * 3
    named = [e["event"] for e in await all_events(client, root)]
    assert named[:11] == ["limit-reached"] + ["login-failed"] * 10


@pytest.mark.one_database
async def test_changes_of_roles_refused_rights_and_limits_say_who_where_and_when(
    client: Client,
    root: Person,
    settings: Settings,
) -> None:
    person = await sign_up(client)
    path = f"/admin/users/{person.user['id']}"
    wrong = {"email": person.email, "password": "not the password"}
    limited = settings.model_copy(update={"RATE_LIMITS": "on"})
    changed = await client.patch(path, json={"roles": ["user", "a"]}, headers=root.authorization)
    again = await log_in(client, person)
    refused = await client.get("/admin/users", headers=again.authorization)
    async with running(create_app(limited)) as worker:
        answers = [await worker.post("/auth/login", json=wrong) for _ in range(11)]
    events = {e["event"]: e for e in await all_events(client, root, limit=100)}
    mine = person.user["id"]
    for name, answer, user_id, actor_id in (
        ("user-changed", changed, mine, root.user["id"]),
        ("role-refused", refused, mine, None),  # it is said of who did it
        ("limit-reached", answers[-1], None, None),
    ):
        event = events[name]
        assert event["request_id"] == answer.headers["x-request-id"], name
        assert event["ip"] == "127.0.0.1", name
        assert (event["user_id"], event["actor_id"]) == (user_id, actor_id), name
        assert event["at"].endswith("Z"), name


@pytest.mark.one_database
async def test_a_limit_is_told_of_once_for_a_whole_ipv6_network(
    client: Client,
    root: Person,
    settings: Settings,
    session_clock: MovableClock,
) -> None:
    wrong = {"email": root.email, "password": "not the password"}
    async with instance(settings, session_clock) as worker:
        for number in range(13):
            await worker.at(f"2001:db8::{number}").post("/auth/login", json=wrong)
    named = [e["event"] for e in await all_events(client, root)]
    assert named[:11] == ["limit-reached"] + ["login-failed"] * 10
