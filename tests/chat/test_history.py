"""Reading a conversation again."""

from typing import Any

import httpx
import pytest

from tests.chat.talk import MISSING, read, say
from tests.factories import problem
from tests.features import Somebody, pointers

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


async def test_what_was_said_is_read_again_oldest_first_and_as_it_was_answered(
    chat: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    first = (await say(chat, ada, "one")).json()
    second = (await say(chat, ada, "two", first["session_id"])).json()
    assert second["session_id"] == first["session_id"]
    history = (await read(chat, ada, first["session_id"])).json()
    assert history == {
        "success": True,
        "session_id": first["session_id"],
        "messages": [first["message"], first["reply"], second["message"], second["reply"]],
        "next_cursor": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        " \n\t ",
        "<script>alert(1)</script> &amp; ${7*7} {{7*7}} %s '; DROP TABLE users; --",
        "å é नमस्ते 👩🏽‍⚕️ \u202eabc\u202c \u200b \x7f \x1b[31m \r\n",
        "é" * 8_000,
        "👩" * 8_000,
    ],
)
async def test_content_is_stored_and_returned_exactly(
    chat: httpx.AsyncClient,
    ada: Somebody,
    text: str,
) -> None:
    exchange = (await say(chat, ada, text)).json()
    assert exchange["message"]["content"] == text
    history = (await read(chat, ada, exchange["session_id"])).json()
    assert history["messages"][0]["content"] == text


async def test_history_comes_in_pages_that_miss_and_repeat_nothing(
    chat: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    session_id = (await say(chat, ada, "0")).json()["session_id"]
    for number in range(1, 4):
        await say(chat, ada, str(number), session_id)
    everything = (await read(chat, ada, session_id)).json()["messages"]
    pages: list[list[Any]] = []
    query: dict[str, Any] = {"limit": 3}
    for _ in range(3):
        page = (await read(chat, ada, session_id, **query)).json()
        pages.append(page["messages"])
        query["cursor"] = page["next_cursor"]
    assert query["cursor"] is None
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [message for page in pages for message in page] == everything


async def test_a_page_that_ends_with_the_last_message_is_the_last(
    chat: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    session_id = (await say(chat, ada, "hello")).json()["session_id"]
    page = (await read(chat, ada, session_id, limit=2)).json()
    assert len(page["messages"]) == 2
    assert page["next_cursor"] is None


async def test_history_has_twenty_messages_a_page_by_default(
    chat: httpx.AsyncClient,
    ada: Somebody,
) -> None:
    session_id = (await say(chat, ada, "0")).json()["session_id"]
    for number in range(1, 11):
        await say(chat, ada, str(number), session_id)
    page = (await read(chat, ada, session_id)).json()
    assert len(page["messages"]) == 20
    assert page["next_cursor"]


@on_sqlite
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "\x00",
        "é",
        "A" * 21,
        "A" * 21 + "B",
        "A" * 23,
        "A" * 22 + "==",
        "9" * 5_000,
        MISSING,
    ],
)
async def test_a_malformed_cursor_is_refused(
    chat: httpx.AsyncClient,
    ada: Somebody,
    cursor: str,
) -> None:
    session_id = (await say(chat, ada, "hello")).json()["session_id"]
    response = await read(chat, ada, session_id, cursor=cursor)
    assert response.status_code == 422
    assert pointers(response) == ["/query/cursor"]


@on_sqlite
@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5", "", "9" * 5_000])
async def test_a_limit_outside_of_1_to_100_is_refused(
    chat: httpx.AsyncClient,
    ada: Somebody,
    limit: str,
) -> None:
    session_id = (await say(chat, ada, "hello")).json()["session_id"]
    response = await read(chat, ada, session_id, limit=limit)
    assert problem(response) == "invalid-request"
    assert pointers(response) == ["/query/limit"]


@on_sqlite
@pytest.mark.parametrize("session_id", ["x", "1", "%00", "null", f"{MISSING}0", "9" * 5_000])
async def test_a_malformed_session_id_is_refused(
    chat: httpx.AsyncClient,
    ada: Somebody,
    session_id: str,
) -> None:
    assert problem(await read(chat, ada, session_id)) == "invalid-request"
