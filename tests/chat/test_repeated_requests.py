"""The same request twice, by its Idempotency-Key: one message, one reply."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from src.chat.errors import AssistantUnavailable
from src.chat.speech import Speeches
from tests.chat.conftest import Speaker
from tests.chat.listening import PATIENCE_SECONDS, listening
from tests.chat.talk import read
from tests.factories import problem
from tests.features import Somebody, pointers

KEY = "0b5f7f0e-5f0a-4d6e-9d3c-2f6f5b1f7a11"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


async def send(
    chat: httpx.AsyncClient,
    person: Somebody,
    path: str = "/chat/message",
    *,
    key: str = KEY,
    **body: Any,
) -> httpx.Response:
    headers = {**person.authorization, "Idempotency-Key": key}
    return await chat.post(path, json=body, headers=headers)


async def until(it_is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not it_is_so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


async def session_ids(chat: httpx.AsyncClient, person: Somebody) -> list[str]:
    page = (await chat.get("/chat/sessions", headers=person.authorization)).json()
    return [session["id"] for session in page["sessions"]]


async def contents(chat: httpx.AsyncClient, person: Somebody, session_id: str) -> list[str]:
    messages = (await read(chat, person, session_id)).json()["messages"]
    return [message["content"] for message in messages]


async def test_a_repeated_message_is_answered_with_what_is_stored(
    chat: httpx.AsyncClient, ada: Somebody
) -> None:
    first = await send(chat, ada, message="hello")
    again = await send(chat, ada, message="hello")
    assert (again.status_code, again.json()) == (200, first.json())
    assert await session_ids(chat, ada) == [first.json()["session_id"]]
    async with listening(chat, ada, "hello", key=KEY) as stream:
        (_, sent), (_, replied) = await stream.rest()
    assert sent["message"] == first.json()["message"]
    assert replied["reply"] == first.json()["reply"]
    assert len(await contents(chat, ada, first.json()["session_id"])) == 2


@pytest.mark.parametrize("path", ["/chat/message", "/chat/session/new"])
async def test_equal_requests_at_once_store_one_message_and_one_reply(
    chat: httpx.AsyncClient, ada: Somebody, path: str
) -> None:
    body = {"message": "hello"} if path == "/chat/message" else {"initial_message": "hello"}
    answers = await asyncio.gather(*(send(chat, ada, path, **body) for _ in range(8)))
    assert [answer.is_success for answer in answers] == [True] * 8
    assert len({answer.content for answer in answers}) == 1
    (session_id,) = await session_ids(chat, ada)
    assert await contents(chat, ada, session_id) == ["hello", "You said: hello"]
    session = await chat.get(f"/chat/session/{session_id}", headers=ada.authorization)
    assert session.json()["session"]["message_count"] == 2


async def test_equal_messages_to_one_session_at_once_are_stored_once(
    chat: httpx.AsyncClient, ada: Somebody
) -> None:
    session_id = (await send(chat, ada, message="a", key="first")).json()["session_id"]
    again = [send(chat, ada, message="b", session_id=session_id) for _ in range(8)]
    assert {answer.status_code for answer in await asyncio.gather(*again)} == {200}
    assert await contents(chat, ada, session_id) == ["a", "You said: a", "b", "You said: b"]


@on_sqlite
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/message", {"message": "other"}),
        ("/chat/session/new", {"initial_message": "hello"}),
    ],
)
async def test_another_request_with_the_same_key_is_refused(
    chat: httpx.AsyncClient, ada: Somebody, path: str, body: dict[str, str]
) -> None:
    first = (await send(chat, ada, message="hello")).json()
    assert problem(await send(chat, ada, path, **body)) == "idempotency-key-reused"
    assert await session_ids(chat, ada) == [first["session_id"]]
    assert len(await contents(chat, ada, first["session_id"])) == 2


@on_sqlite
async def test_a_key_is_its_owners_alone(
    chat: httpx.AsyncClient, ada: Somebody, bob: Somebody
) -> None:
    of_ada = (await send(chat, ada, message="hello")).json()
    of_bob = (await send(chat, bob, message="hello")).json()
    assert of_ada["session_id"] != of_bob["session_id"]
    assert of_ada["message"]["id"] != of_bob["message"]["id"]


@on_sqlite
async def test_a_cut_reply_is_replaced_when_the_request_is_repeated(
    talk: httpx.AsyncClient, speaker: Speaker, speeches: Speeches, ada: Somebody
) -> None:
    async with listening(talk, ada, "hello", key=KEY) as stream:
        session_id = (await stream.next())[1]["session_id"]
        speaker.say("It is ")
        await stream.next()
    if speeches._running:
        await asyncio.wait(list(speeches._running))
    cut = (await read(talk, ada, session_id)).json()["messages"][1]
    assert (cut["content"], cut["cut"]) == ("It is ", True)
    speaker.say("It is a spleen.", None)
    answer = (await send(talk, ada, message="hello")).json()
    assert answer["reply"] == {**cut, "content": "It is a spleen.", "cut": False}
    assert await contents(talk, ada, session_id) == ["hello", "It is a spleen."]


@on_sqlite
async def test_a_message_without_a_reply_is_answered_when_it_is_repeated(
    talk: httpx.AsyncClient, speaker: Speaker, ada: Somebody
) -> None:
    speaker.say(AssistantUnavailable(), "hi", None)
    assert problem(await send(talk, ada, message="hello")) == "assistant-unavailable"
    answer = (await send(talk, ada, message="hello")).json()
    assert await contents(talk, ada, answer["session_id"]) == ["hello", "hi"]
    assert speaker.asked == ["hello", "hello"]


@on_sqlite
async def test_of_two_that_reply_to_the_same_request_the_first_that_is_whole_counts(
    talk: httpx.AsyncClient, speaker: Speaker, ada: Somebody
) -> None:
    async with listening(talk, ada, "hello", key=KEY) as stream:
        session_id = (await stream.next())[1]["session_id"]
        speaker.say("It is ")
        await stream.next()
        again = asyncio.create_task(send(talk, ada, message="hello"))
        await until(lambda: len(speaker.asked) == 2)
        # Those who wait for their next piece get it in turn.
        speaker.say("a spleen.")
        await stream.next()
        speaker.say("Another reply")
        await until(lambda: "Another reply" in speaker.said)
        speaker.say(None)
        ((_, replied),) = await stream.rest()
    speaker.say(None)
    assert (await again).json()["reply"] == replied["reply"]
    assert await contents(talk, ada, session_id) == ["hello", "It is a spleen."]


@on_sqlite
async def test_a_session_opened_twice_is_one(chat: httpx.AsyncClient, ada: Somebody) -> None:
    first = await send(chat, ada, "/chat/session/new", title="Bones")
    again = await send(chat, ada, "/chat/session/new", title="Bones")
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await session_ids(chat, ada)) == 1


@on_sqlite
async def test_a_key_goes_with_its_conversation(chat: httpx.AsyncClient, ada: Somebody) -> None:
    first = (await send(chat, ada, message="hello")).json()["session_id"]
    deleted = await chat.delete(f"/chat/session/{first}", headers=ada.authorization)
    assert deleted.json() == {"success": True}
    second = (await send(chat, ada, message="hello")).json()["session_id"]
    assert await session_ids(chat, ada) == [second]


@on_sqlite
@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
async def test_a_malformed_key_is_refused(chat: httpx.AsyncClient, ada: Somebody, key: str) -> None:
    headers = [("Authorization", ada.authorization["Authorization"]), ("Idempotency-Key", key)]
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    answer = await chat.post("/chat/message", json={"message": "hello"}, headers=encoded)
    assert pointers(answer) == ["/header/Idempotency-Key"]
    assert await session_ids(chat, ada) == []
