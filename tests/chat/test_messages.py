"""Saying something: sessions, replies, and who may."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete
from sqlmodel import col, select

from src.chat.models import ChatSession
from src.core.db import SessionMaker, new_id
from src.core.errors import ServiceUnavailable
from tests.chat.conftest import Echo
from tests.chat.talk import MISSING, read, say
from tests.factories import bearer, problem
from tests.features import Somebody, forget, pointers, without_request_id

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


async def test_a_first_message_opens_a_session_and_is_answered(
    chat: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    response = await say(chat, ada, "What does the spleen do?")
    assert response.status_code == 200
    exchange = response.json()
    assert exchange["success"] is True
    assert UUID(exchange["session_id"]).version == 7
    assert exchange["message"]["role"] == "user"
    assert exchange["message"]["content"] == "What does the spleen do?"
    assert exchange["reply"]["role"] == "assistant"
    assert exchange["reply"]["content"] == "You said: What does the spleen do?"


async def test_times_are_rfc_3339_in_utc(chat: httpx.AsyncClient, ada: Somebody) -> None:
    exchange = (await say(chat, ada, "when?")).json()
    history = (await read(chat, ada, exchange["session_id"])).json()
    for message in (exchange["message"], exchange["reply"], *history["messages"]):
        assert message["created_at"].endswith("Z")


async def test_the_responder_is_told_what_was_said_before(
    chat: httpx.AsyncClient,
    ada: Somebody,
    responder: Echo,
) -> None:
    exchange = (await say(chat, ada, "one")).json()
    assert responder.history == []
    await say(chat, ada, "two", exchange["session_id"])
    assert [turn.content for turn in responder.history] == ["one", "You said: one"]


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("  What\n is   it? ", "What is it?"),
        ("x" * 300, "x" * 80),
        (
            "What does the spleen do? " * 9,
            "What does the spleen do? " * 3 + "What…",
        ),
        (" \n ", "New conversation"),
    ],
)
async def test_a_new_session_is_titled_from_its_first_message(
    chat: httpx.AsyncClient,
    ada: Somebody,
    sessionmaker: SessionMaker,
    message: str,
    title: str,
) -> None:
    await say(chat, ada, message)
    async with sessionmaker() as db:
        sessions = await db.exec(select(ChatSession).where(ChatSession.user_id == ada.id))
        assert [session.title for session in sessions] == [title]


@on_sqlite
@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, "/message"),
        ({"message": ""}, "/message"),
        ({"message": "x" * 8_001}, "/message"),
        ({"message": None}, "/message"),
        ({"message": 1}, "/message"),
        ({"message": "a\x00b"}, "/message"),
        ({"message": "a\ud800b"}, "/message"),
        ({"message": "hello", "session_id": "x"}, "/session_id"),
        ({"message": "hello", "session_id": ""}, "/session_id"),
        ({"message": "hello", "session_id": 7}, "/session_id"),
        ({"message": "hello", "user_id": MISSING}, "/user_id"),
        ({"message": "hello", "role": "assistant"}, "/role"),
        ({"message": "hello", "id": MISSING}, "/id"),
    ],
)
async def test_a_body_that_is_not_as_documented_is_refused(
    chat: httpx.AsyncClient,
    ada: Somebody,
    body: dict[str, Any],
    wrong: str,
) -> None:
    response = await chat.post(
        "/chat/message",
        content=json.dumps(body),
        headers={**ada.authorization, "Content-Type": "application/json"},
    )
    assert problem(response) == "invalid-request"
    assert pointers(response) == [wrong]


@on_sqlite
@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (b"{", "application/json", "malformed-body"),
        (b'{"message": "a", "message": "b"}', "application/json", "malformed-body"),
        (b'{"message": "a"}', "text/plain", "unsupported-media-type"),
    ],
)
async def test_a_body_that_is_no_json_is_refused(
    chat: httpx.AsyncClient,
    ada: Somebody,
    content: bytes,
    media_type: str,
    expected: str,
) -> None:
    headers = {**ada.authorization, "Content-Type": media_type}
    response = await chat.post("/chat/message", content=content, headers=headers)
    assert problem(response) == expected


async def test_another_persons_session_answers_as_a_missing_one(
    chat: httpx.AsyncClient,
    ada: Somebody,
    bob: Somebody,
) -> None:
    of_ada = (await say(chat, ada, "a secret")).json()["session_id"]
    before = (await read(chat, ada, of_ada)).content
    for strangers, missing in (
        (await say(chat, bob, "hello", of_ada), await say(chat, bob, "hello", MISSING)),
        (await read(chat, bob, of_ada), await read(chat, bob, MISSING)),
    ):
        assert problem(strangers) == "session-not-found"
        assert strangers.json()["detail"] == "Session not found or access denied"
        assert without_request_id(strangers) == without_request_id(missing)
    assert (await read(chat, ada, of_ada)).content == before


@on_sqlite
@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, "authentication-required"), (bearer("nobody"), "invalid-token")],
)
async def test_both_routes_ask_who_is_there(
    chat: httpx.AsyncClient,
    headers: dict[str, str],
    expected: str,
) -> None:
    sent = await chat.post("/chat/message", json={"message": "hello"}, headers=headers)
    history = await chat.get(f"/chat/history/{MISSING}", headers=headers)
    for response in (sent, history):
        assert problem(response) == expected
        assert response.json()["detail"] == "Unauthorized - Invalid or missing token"


async def test_somebody_whose_account_is_gone_is_no_longer_signed_in(
    chat: httpx.AsyncClient,
    ada: Somebody,
    sessionmaker: SessionMaker,
) -> None:
    session_id = (await say(chat, ada, "hello")).json()["session_id"]
    await forget(sessionmaker, ada)
    assert problem(await say(chat, ada, "hello")) == "invalid-token"
    assert problem(await say(chat, ada, "hello", session_id)) == "session-not-found"
    assert problem(await read(chat, ada, session_id)) == "session-not-found"


async def test_nobody_signs_in_by_an_id_that_never_was(chat: httpx.AsyncClient) -> None:
    assert problem(await say(chat, Somebody(new_id()), "hello")) == "invalid-token"


async def test_a_message_is_kept_when_no_reply_comes(
    chat: httpx.AsyncClient,
    ada: Somebody,
    responder: Echo,
) -> None:
    session_id = (await say(chat, ada, "one")).json()["session_id"]

    async def fail() -> None:
        raise ServiceUnavailable

    responder.first = fail
    assert problem(await say(chat, ada, "two", session_id)) == "service-unavailable"
    messages = (await read(chat, ada, session_id)).json()["messages"]
    assert [m["content"] for m in messages] == ["one", "You said: one", "two"]


async def test_a_reply_to_a_session_that_was_deleted_meanwhile_is_dropped(
    chat: httpx.AsyncClient,
    ada: Somebody,
    responder: Echo,
    sessionmaker: SessionMaker,
) -> None:
    async def delete_session() -> None:
        async with sessionmaker() as db:
            await db.exec(delete(ChatSession).where(col(ChatSession.user_id) == ada.id))
            await db.commit()

    responder.first = delete_session
    assert problem(await say(chat, ada, "hello")) == "session-not-found"


async def test_messages_sent_at_once_are_all_stored(
    chat: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    session_id = (await say(chat, ada, "first")).json()["session_id"]
    texts = [f"at once {number}" for number in range(8)]
    answers = await asyncio.gather(*(say(chat, ada, text, session_id) for text in texts))
    assert [answer.status_code for answer in answers] == [200] * 8
    messages = (await read(chat, ada, session_id, limit=100)).json()["messages"]
    said = {m["content"] for m in messages if m["role"] == "user"}
    assert said == {"first", *texts}
    assert len(messages) == 18
    session = await chat.get(f"/chat/session/{session_id}", headers=ada.authorization)
    assert session.json()["session"]["message_count"] == 18


async def test_activity_moves_a_session_forward_in_time(
    chat: httpx.AsyncClient,
    ada: Somebody,
    sessionmaker: SessionMaker,
) -> None:
    session_id = (await say(chat, ada, "one")).json()["session_id"]

    async def updated_at() -> Any:
        async with sessionmaker() as db:
            session = await db.get(ChatSession, UUID(session_id))
            assert session
            return session.updated_at

    before = await updated_at()
    await say(chat, ada, "two", session_id)
    assert await updated_at() > before
