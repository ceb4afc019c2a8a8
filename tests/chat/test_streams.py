"""Replies as Server-Sent Events: in which order, and what is stored however they end."""

import asyncio
from typing import Any

import httpx
import pytest

from src.chat import speech
from src.chat.errors import AssistantUnavailable
from src.chat.speech import Pace, Speeches
from src.core.db import SessionMaker
from tests.chat.conftest import SignedIn, Speaker
from tests.chat.listening import Event, Stream, listening
from tests.chat.talk import MISSING, read
from tests.factories import problem
from tests.features import Somebody, pointers

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


async def stored(talk: httpx.AsyncClient, person: Somebody, session_id: str) -> list[Any]:
    messages = (await read(talk, person, session_id)).json()["messages"]
    return [(message["role"], message["content"], message["cut"]) for message in messages]


async def opened(stream: Stream) -> str:
    """The session's id, from the first event."""
    name, sent = await stream.next()
    assert name == "message"
    return str(sent["session_id"])


async def stored_after_it_ended(
    talk: httpx.AsyncClient,
    person: Somebody,
    session_id: str,
    speeches: Speeches,
) -> list[Any]:
    """What is stored once nothing is spoken any more."""
    if speeches._running:
        await asyncio.wait(list(speeches._running))
    return await stored(talk, person, session_id)


def types(events: list[Event]) -> list[str]:
    return [document["type"] for name, document in events if name == "error"]


async def test_a_reply_comes_piece_by_piece_after_the_message_and_ends_as_it_is_stored(
    talk: httpx.AsyncClient, speaker: Speaker, ada: Somebody
) -> None:
    speaker.say("The spl", "een\n\nis é 👩🏽‍⚕️ ", "red.", None)
    async with listening(talk, ada, "What is it?") as stream:
        events = await stream.rest()
    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    assert [name for name, _ in events] == ["message", "delta", "delta", "delta", "reply"]
    sent, replied = events[0][1], events[-1][1]
    deltas = [document for name, document in events if name == "delta"]
    assert [list(delta) for delta in deltas] == [["text"]] * 3
    assert replied["reply"]["content"] == "".join(delta["text"] for delta in deltas)
    assert replied["reply"]["cut"] is False
    assert sent["session_id"] == replied["session_id"]
    history = (await read(talk, ada, sent["session_id"])).json()
    assert history["messages"] == [sent["message"], replied["reply"]]


async def test_the_message_is_stored_before_the_first_byte(
    talk: httpx.AsyncClient, speaker: Speaker, ada: Somebody
) -> None:
    async with listening(talk, ada, "hello") as stream:
        session_id = await opened(stream)
        assert await stored(talk, ada, session_id) == [("user", "hello", False)]
        speaker.say("hi", None)
        assert await stream.next() == ("delta", {"text": "hi"})


async def test_no_connection_is_held_while_the_responder_speaks(
    talk: httpx.AsyncClient, speaker: Speaker, ada: Somebody, sessionmaker: SessionMaker
) -> None:
    async with listening(talk, ada, "hello") as stream:
        await opened(stream)
        speaker.say("hi")
        await stream.next()
        assert not sessionmaker.kw["bind"].pool.checkedout()


async def test_what_was_said_to_a_client_that_leaves_is_kept_as_cut(
    talk: httpx.AsyncClient, speaker: Speaker, speeches: Speeches, ada: Somebody
) -> None:
    async with listening(talk, ada, "hello") as stream:
        session_id = await opened(stream)
        speaker.say("It is a ")
        await stream.next()
    assert await stored_after_it_ended(talk, ada, session_id, speeches) == [
        ("user", "hello", False),
        ("assistant", "It is a ", True),
    ]
    assert speaker.let_go == 1


async def test_a_client_that_leaves_before_anything_is_said_leaves_its_message(
    talk: httpx.AsyncClient, speeches: Speeches, ada: Somebody
) -> None:
    async with listening(talk, ada, "hello") as stream:
        session_id = await opened(stream)
    assert await stored_after_it_ended(talk, ada, session_id, speeches) == [
        ("user", "hello", False),
    ]


@pytest.mark.parametrize(
    ("said", "failure", "expected"),
    [
        (["It is "], AssistantUnavailable(), "assistant-unavailable"),
        ([], AssistantUnavailable(), "assistant-unavailable"),
        (["It is "], RuntimeError("a secret"), "internal-error"),
        ([], None, "assistant-unavailable"),
    ],
)
async def test_a_responder_that_fails_ends_the_stream_with_the_problem(
    talk: httpx.AsyncClient,
    speaker: Speaker,
    ada: Somebody,
    said: list[str],
    failure: Exception | None,
    expected: str,
) -> None:
    speaker.say(*said, failure)
    async with listening(talk, ada, "hello") as stream:
        session_id = await opened(stream)
        events = await stream.rest()
    assert [name for name, _ in events] == ["delta"] * len(said) + ["error"]
    document = events[-1][1]
    assert document["type"] == f"urn:problem:{expected}"
    assert document["request_id"] == stream.headers["x-request-id"]
    assert b"a secret" not in stream.raw
    replies = [("assistant", piece, True) for piece in said]
    assert await stored(talk, ada, session_id) == [("user", "hello", False), *replies]


async def test_a_stream_ends_when_the_log_in_session_is_revoked(
    talk: httpx.AsyncClient, speaker: Speaker, signed_in: SignedIn, ada: Somebody
) -> None:
    async with listening(talk, ada, "hello") as stream:
        session_id = await opened(stream)
        speaker.say("It is ")
        await stream.next()
        signed_in.accepted = False
        events = await stream.rest()
    assert types(events) == ["urn:problem:invalid-token"]
    assert (await stored(talk, ada, session_id))[1:] == [("assistant", "It is ", True)]


async def test_a_stream_ends_when_nobody_can_look_who_is_signed_in(
    talk: httpx.AsyncClient, speaker: Speaker, ada: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> bool:
        raise RuntimeError

    async with listening(talk, ada, "hello") as stream:
        session_id = await opened(stream)
        speaker.say("It is ")
        await stream.next()
        monkeypatch.setattr(SignedIn, "__call__", fail)
        events = await stream.rest()
    assert types(events) == ["urn:problem:internal-error"]
    assert (await stored(talk, ada, session_id))[1:] == [("assistant", "It is ", True)]


async def test_streams_end_when_the_server_stops_and_those_still_to_come_as_well(
    talk: httpx.AsyncClient, speaker: Speaker, speeches: Speeches, ada: Somebody
) -> None:
    async with listening(talk, ada, "hello") as stream:
        session_id = await opened(stream)
        speaker.say("It is ")
        await stream.next()
        speeches.stop()
        assert types(await stream.rest()) == ["urn:problem:service-unavailable"]
    assert (await stored(talk, ada, session_id))[1:] == [("assistant", "It is ", True)]
    async with listening(talk, ada, "hello") as late:
        assert types(await late.rest()) == ["urn:problem:service-unavailable"]


async def test_silence_is_filled_with_comments(
    talk: httpx.AsyncClient, speaker: Speaker, speeches: Speeches, ada: Somebody
) -> None:
    speeches.pace = Pace(heartbeat=0.01)
    async with listening(talk, ada, "hello") as stream:
        await opened(stream)
        await stream.silence()
        await stream.silence()
        speaker.say("hi", None)
        assert [name for name, _ in await stream.rest()] == ["delta", "reply"]


async def test_a_speech_has_a_longest_life(
    talk: httpx.AsyncClient, speaker: Speaker, speeches: Speeches, ada: Somebody
) -> None:
    speeches.pace = Pace(lifetime=0.5)
    speaker.say("It is ")
    async with listening(talk, ada, "hello") as stream:
        session_id = await opened(stream)
        assert types(await stream.rest()) == ["urn:problem:assistant-unavailable"]
    assert (await stored(talk, ada, session_id))[1:] == [("assistant", "It is ", True)]


async def test_a_client_that_stops_to_read_is_given_up_after_the_end(
    talk: httpx.AsyncClient,
    speaker: Speaker,
    speeches: Speeches,
    ada: Somebody,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speech, "TAKE_SECONDS", 0.05)
    async with listening(talk, ada, "hello") as stream:
        session_id = await opened(stream)
        stream.take_no_more()
        speaker.say("It is a spleen.", None)
        await stream.ended.wait()
    assert await stored_after_it_ended(talk, ada, session_id, speeches) == [
        ("user", "hello", False),
        ("assistant", "It is a spleen.", False),
    ]


@pytest.mark.parametrize(
    ("pieces", "kept", "cut"),
    [
        (["x" * 8_000, None], "x" * 8_000, False),
        (["x" * 7_999, "yz", None], "x" * 7_999 + "y", True),
        (["", "a\x00b\ud800", "", None], "a\ufffdb\ufffd", False),
    ],
)
async def test_a_reply_is_at_most_8000_characters_that_can_be_stored(
    talk: httpx.AsyncClient,
    speaker: Speaker,
    ada: Somebody,
    pieces: list[str | None],
    kept: str,
    cut: bool,  # noqa: FBT001
) -> None:
    speaker.say(*pieces)
    async with listening(talk, ada, "hello") as stream:
        name, document = (await stream.rest())[-1]
    assert name == "reply"
    assert document["reply"]["content"] == kept
    assert document["reply"]["cut"] is cut


@pytest.mark.parametrize(
    "accepts",
    [
        ["text/event-stream"],
        ["application/json, text/event-stream;q=0.9"],
        ["text/event-stream, */*"],
        ["Text/Event-Stream"],
        ["application/json", "text/event-stream"],
    ],
)
async def test_a_client_that_names_the_type_gets_a_stream(
    talk: httpx.AsyncClient, speaker: Speaker, ada: Somebody, accepts: list[str]
) -> None:
    speaker.say("hi", None)
    headers = [*ada.authorization.items(), *(("Accept", each) for each in accepts)]
    response = await talk.post("/chat/message", json={"message": "hello"}, headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")


async def test_what_fails_before_the_stream_is_a_plain_problem(
    talk: httpx.AsyncClient, ada: Somebody
) -> None:
    headers = {**ada.authorization, "Accept": "text/event-stream"}
    body = {"message": "hello", "session_id": MISSING}
    lost = await talk.post("/chat/message", json=body, headers=headers)
    assert problem(lost) == "session-not-found"
    wrong = await talk.post("/chat/message", json={"message": ""}, headers=headers)
    assert pointers(wrong) == ["/message"]


async def test_a_whole_answer_fails_with_the_problem_and_keeps_what_was_said(
    talk: httpx.AsyncClient, speaker: Speaker, ada: Somebody
) -> None:
    speaker.say("one", None, "It is ", AssistantUnavailable())
    headers = ada.authorization
    first = await talk.post("/chat/message", json={"message": "a"}, headers=headers)
    session_id = first.json()["session_id"]
    body = {"message": "b", "session_id": session_id}
    failed = await talk.post("/chat/message", json=body, headers=headers)
    assert problem(failed) == "assistant-unavailable"
    assert failed.headers["retry-after"]
    assert (await stored(talk, ada, session_id))[2:] == [
        ("user", "b", False),
        ("assistant", "It is ", True),
    ]
