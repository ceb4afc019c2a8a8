"""Sessions: opened, listed, named, deleted."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import select

from src.chat.models import ChatMessage, ChatSession
from src.core.db import SessionMaker
from tests.chat.conftest import Statement
from tests.chat.talk import MISSING, read, say
from tests.factories import problem
from tests.features import Somebody, pointers

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


async def open_session(chat: httpx.AsyncClient, person: Somebody, **body: Any) -> dict[str, Any]:
    response = await chat.post("/chat/session/new", json=body, headers=person.authorization)
    assert response.status_code == 201, response.text
    opened: dict[str, Any] = response.json()
    return opened


async def page_of(chat: httpx.AsyncClient, person: Somebody, **query: Any) -> dict[str, Any]:
    response = await chat.get("/chat/sessions", params=query, headers=person.authorization)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def test_an_empty_session_has_no_messages_and_a_first_name(
    chat: httpx.AsyncClient, ada: Somebody
) -> None:
    opened = await open_session(chat, ada)
    session = opened["session"]
    assert opened == {"success": True, "session": session, "messages": []}
    assert set(session) == {"id", "title", "created_at", "updated_at", "message_count"}
    assert (session["title"], session["message_count"]) == ("New conversation", 0)
    got = await chat.get(f"/chat/session/{session['id']}", headers=ada.authorization)
    assert got.json() == {"success": True, "session": session}
    history = (await read(chat, ada, session["id"])).json()
    assert (history["messages"], history["next_cursor"]) == ([], None)


async def test_an_initial_message_is_answered(chat: httpx.AsyncClient, ada: Somebody) -> None:
    opened = await open_session(chat, ada, title=" Bones ", initial_message="hello")
    assert [m["content"] for m in opened["messages"]] == ["hello", "You said: hello"]
    assert (opened["session"]["title"], opened["session"]["message_count"]) == ("Bones", 2)
    assert opened["session"]["updated_at"] == opened["messages"][1]["created_at"]
    history = (await read(chat, ada, opened["session"]["id"])).json()
    assert history["messages"] == opened["messages"]


@on_sqlite
async def test_a_session_needs_no_body(chat: httpx.AsyncClient, ada: Somebody) -> None:
    opened = await chat.post("/chat/session/new", headers=ada.authorization)
    assert opened.status_code == 201


@on_sqlite
async def test_an_unnamed_session_is_named_after_its_first_message(
    chat: httpx.AsyncClient, ada: Somebody
) -> None:
    unnamed = (await open_session(chat, ada))["session"]["id"]
    named = (await open_session(chat, ada, title="Bones"))["session"]["id"]
    for session_id in (unnamed, named):
        await say(chat, ada, "What is it?", session_id)
        await say(chat, ada, "And now?", session_id)
    titles = {s["id"]: s["title"] for s in (await page_of(chat, ada))["sessions"]}
    assert titles == {unnamed: "What is it?", named: "Bones"}


async def test_sessions_are_listed_latest_activity_first(
    chat: httpx.AsyncClient, ada: Somebody, bob: Somebody
) -> None:
    first = (await say(chat, ada, "first")).json()
    second = (await open_session(chat, ada))["session"]
    await say(chat, bob, "not hers")
    await say(chat, ada, "again", first["session_id"])
    page = await page_of(chat, ada)
    listed = page["sessions"]
    assert [s["id"] for s in listed] == [first["session_id"], second["id"]]
    assert [s["message_count"] for s in listed] == [4, 0]
    assert page["next_cursor"] is None


async def test_pages_of_sessions_are_stable_while_messages_arrive(
    chat: httpx.AsyncClient, ada: Somebody, sessionmaker: SessionMaker
) -> None:
    """Seven sessions of the same instant, so that their ids decide as well."""
    ids = [(await open_session(chat, ada))["session"]["id"] for _ in range(7)]
    async with sessionmaker() as db:
        await db.exec(update(ChatSession).values(updated_at=datetime(2026, 1, 1, tzinfo=UTC)))
        await db.commit()
    latest_first = [s["id"] for s in (await page_of(chat, ada))["sessions"]]
    assert latest_first == sorted(ids, reverse=True)
    first = await page_of(chat, ada, limit=3)
    await say(chat, ada, "seen before", latest_first[1])
    await say(chat, ada, "not seen yet", latest_first[4])
    await say(chat, ada, "a new one")
    rest = await page_of(chat, ada, limit=3, cursor=first["next_cursor"])
    assert [s["id"] for s in first["sessions"]] == latest_first[:3]
    assert [s["id"] for s in rest["sessions"]] == [latest_first[i] for i in (3, 5, 6)]
    assert rest["next_cursor"] is None


async def test_a_page_of_sessions_takes_one_query_however_many_there_are(
    chat: httpx.AsyncClient, ada: Somebody, statements: list[Statement]
) -> None:
    for number in range(3):
        await say(chat, ada, str(number))
    statements.clear()
    page = await page_of(chat, ada)
    assert [s["message_count"] for s in page["sessions"]] == [2, 2, 2]
    assert len(statements) == 1


@on_sqlite
async def test_a_session_can_be_renamed_and_stays_where_it_is(
    chat: httpx.AsyncClient, ada: Somebody
) -> None:
    before = (await open_session(chat, ada))["session"]
    address = f"/chat/session/{before['id']}"
    renamed = await chat.patch(address, json={"title": " Knees "}, headers=ada.authorization)
    assert renamed.json() == {"success": True, "session": {**before, "title": "Knees"}}
    assert (await chat.get(address, headers=ada.authorization)).json() == renamed.json()


async def test_a_deleted_session_takes_its_messages_along(
    chat: httpx.AsyncClient, ada: Somebody, sessionmaker: SessionMaker
) -> None:
    kept = (await say(chat, ada, "kept")).json()["session_id"]
    gone = (await say(chat, ada, "gone")).json()["session_id"]
    deleted = await chat.delete(f"/chat/session/{gone}", headers=ada.authorization)
    assert (deleted.status_code, deleted.json()) == (200, {"success": True})
    again = await chat.delete(f"/chat/session/{gone}", headers=ada.authorization)
    for response in (again, await read(chat, ada, gone), await say(chat, ada, "hello", gone)):
        assert problem(response) == "session-not-found"
    assert [s["id"] for s in (await page_of(chat, ada))["sessions"]] == [kept]
    async with sessionmaker() as db:
        left = await db.exec(select(ChatMessage.content))
        assert not [content for content in left if content.endswith("gone")]


@on_sqlite
@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, "/title"),
        ({"title": None}, "/title"),
        ({"title": ""}, "/title"),
        ({"title": " \n "}, "/title"),
        ({"title": "x" * 81}, "/title"),
        ({"title": 1}, "/title"),
        ({"title": "a", "user_id": MISSING}, "/user_id"),
        ({"title": "a", "message_count": 7}, "/message_count"),
    ],
)
async def test_a_change_that_is_not_as_documented_is_refused(
    chat: httpx.AsyncClient, ada: Somebody, body: dict[str, Any], wrong: str
) -> None:
    session_id = (await open_session(chat, ada))["session"]["id"]
    address = f"/chat/session/{session_id}"
    refused = await chat.patch(address, json=body, headers=ada.authorization)
    assert pointers(refused) == [wrong]


@on_sqlite
@pytest.mark.parametrize("cursor", ["", "x", "\x00", "é", "A" * 31, "A" * 31 + "=", "_" * 32])
async def test_a_malformed_cursor_of_sessions_is_refused(
    chat: httpx.AsyncClient, ada: Somebody, cursor: str
) -> None:
    refused = await chat.get("/chat/sessions", params={"cursor": cursor}, headers=ada.authorization)
    assert pointers(refused) == ["/query/cursor"]


@on_sqlite
async def test_both_addresses_of_a_history_answer_the_same(
    chat: httpx.AsyncClient, ada: Somebody
) -> None:
    session_id = (await say(chat, ada, "hello")).json()["session_id"]
    long = await chat.get(f"/chat/session/{session_id}/history", headers=ada.authorization)
    assert long.json() == (await read(chat, ada, session_id)).json()


@on_sqlite
@pytest.mark.parametrize("session_id", ["x", "1", "-1", "9" * 20, "%00", f"{MISSING}0"])
async def test_what_is_no_id_is_no_session(
    chat: httpx.AsyncClient, ada: Somebody, session_id: str
) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        address = f"/chat/session/{session_id}"
        refused = await chat.request(method, address, headers=ada.authorization)
        assert problem(refused) == "not-found"
