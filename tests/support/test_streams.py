"""Support's streams: how they end, and what is stored however they do."""

import asyncio
from asyncio import FIRST_COMPLETED
from dataclasses import replace

import pytest

from src.chat.errors import AssistantUnavailable
from src.chat.speech import Pace, Speeches
from src.support.identity import current_identity
from src.support.replies import responder_user_id
from tests.chat.conftest import Speaker
from tests.issuers.better_auth_tables import Deployment
from tests.support.chatkit import ChatKitStream, Customer, Json, kinds, text
from tests.support.conftest import SupportBy

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

FAILED = {"type": "error", "code": "stream.error", "allow_retry": True}


async def begun(stream: ChatKitStream, speaker: Speaker) -> str:
    """The thread's id, once the reply has begun with "It is "."""
    thread_id: str = (await stream.until("thread.created"))["thread"]["id"]
    speaker.say("It is ")
    while (await stream.until("thread.item.updated"))["update"].get("delta") != "It is ":
        pass
    return thread_id


async def all_stored(speeches: Speeches) -> None:
    """Until nothing is spoken any more."""
    if speeches._running:
        await asyncio.wait(list(speeches._running))


async def test_what_was_said_to_a_client_that_leaves_is_kept(
    ada: Customer, speaker: Speaker, speeches: Speeches
) -> None:
    async with ada.listen("threads.create", input=text("What?")) as stream:
        assert (await stream.until("thread.created"))["type"] == "thread.created"
        assert (await stream.until("stream_options"))["stream_options"] == {"allow_cancel": True}
    async with ada.listen("threads.create", input=text("What?")) as stream:
        thread_id = await begun(stream, speaker)
        assert await ada.said(thread_id) == [("user", "What?")]
    await all_stored(speeches)
    assert await ada.said(thread_id) == [("user", "What?"), ("assistant", "It is ")]
    assert speaker.let_go == 2


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (["It is "], RuntimeError("a secret")),
        (["It is "], AssistantUnavailable()),
        ([], AssistantUnavailable()),
        ([], None),
    ],
)
async def test_a_responder_that_fails_ends_the_stream_with_an_error_that_can_be_retried(
    ada: Customer, speaker: Speaker, said: list[str], failure: Exception | None
) -> None:
    speaker.say(*said, failure)
    async with ada.listen("threads.create", input=text("What?")) as stream:
        events = await stream.events()
    assert events[-1] == FAILED
    assert b"a secret" not in stream.raw
    thread_id = events[0]["thread"]["id"]
    assert await ada.said(thread_id) == [("user", "What?"), *(("assistant", each) for each in said)]
    speaker.say("A spleen.", None)
    await ada.hear("threads.retry_after_item", thread_id=thread_id, item_id=events[1]["item"]["id"])
    assert await ada.said(thread_id) == [("user", "What?"), ("assistant", "A spleen.")]


async def test_a_stream_ends_with_the_session_whose_token_was_used(
    ada: Customer, speaker: Speaker, deployment: Deployment
) -> None:
    another = await deployment.sign_in(ada.user)
    async with ada.listen("threads.create", input=text("What?")) as stream:
        thread_id = await begun(stream, speaker)
        await deployment.sign_out(ada.session_token)
        assert (await stream.events())[-1] == {**FAILED, "allow_retry": False}
    ada.headers = {"Authorization": f"Bearer {another}"}
    assert await ada.said(thread_id) == [("user", "What?"), ("assistant", "It is ")]


async def test_streams_end_when_the_server_stops(
    ada: Customer, speaker: Speaker, speeches: Speeches
) -> None:
    async with ada.listen("threads.create", input=text("What?")) as stream:
        thread_id = await begun(stream, speaker)
        speeches.stop()
        assert (await stream.events())[-1] == FAILED
    assert (await ada.said(thread_id))[1:] == [("assistant", "It is ")]


async def test_silence_is_filled_with_events_that_change_nothing(
    ada: Customer, speaker: Speaker, speeches: Speeches
) -> None:
    speeches.pace = Pace(heartbeat=0.01)
    async with ada.listen("threads.create", input=text("What?")) as stream:
        await stream.until("thread.item.added")
        assert kinds([await stream.event(), await stream.event()]) == ["stream_options"] * 2
        speaker.say("A spleen.", None)
        assert (await stream.until("thread.item.done"))["item"]["content"][0]["text"] == "A spleen."


@pytest.mark.parametrize("ends_first", ["earlier", "later"])
async def test_of_two_replies_to_one_message_the_one_that_was_begun_last_stays(
    ada: Customer, speaker: Speaker, speeches: Speeches, support_by: SupportBy, ends_first: str
) -> None:
    async with ada.listen("threads.create", input=text("What?")) as earlier:
        thread_id = await begun(earlier, speaker)
        [question] = await ada.items(thread_id)
        again = {"thread_id": thread_id, "item_id": question["id"]}
        other = Speaker()
        async with support_by(other) as client:
            elsewhere = replace(ada, client=client)
            async with elsewhere.listen("threads.retry_after_item", **again) as later:
                await later.until("thread.item.added")
                other.say("A spleen.")
                await later.until("thread.item.updated")
                if ends_first == "earlier":
                    earlier.leave()
                    await asyncio.wait(list(speeches._running), return_when=FIRST_COMPLETED)
                    assert (await ada.said(thread_id))[1:] == [("assistant", "It is ")]
                other.say(None)
                assert (await later.events())[-1]["type"] == "thread.item.done"
    await all_stored(speeches)
    assert await ada.said(thread_id) == [("user", "What?"), ("assistant", "A spleen.")]


async def test_a_reply_in_a_thread_that_is_deleted_meanwhile_is_not_stored(
    ada: Customer, speaker: Speaker
) -> None:
    async with ada.listen("threads.create", input=text("What?")) as stream:
        thread_id = await begun(stream, speaker)
        await ada.read("threads.delete", thread_id=thread_id)
        speaker.say(None)
        assert (await stream.events())[-1] == FAILED
    assert (await ada.read("threads.list"))["data"] == []


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("threads.add_client_tool_output", {"result": {"a": 1}}),
        ("threads.add_structured_input", {"input": {"status": "answered", "answers": {}}}),
        ("threads.custom_action", {"action": {"type": "buy", "payload": 1}}),
    ],
)
async def test_what_the_assistant_never_asked_for_is_told_so_in_the_stream(
    ada: Customer, thread: Json, kind: str, params: Json
) -> None:
    item_id = thread["items"]["data"][1]["id"]
    [told] = await ada.hear(kind, thread_id=thread["id"], item_id=item_id, **params)
    assert (told["type"], told["code"], told["allow_retry"]) == ("error", "custom", False)
    assert told["message"]
    assert (await ada.read("threads.get_by_id", thread_id=thread["id"])) == thread


async def test_the_responder_knows_who_asks_for_as_long_as_it_speaks(
    ada: Customer, speaker: Speaker
) -> None:
    seen = []

    async def look() -> None:
        seen.append(current_identity())

    speaker.first = look
    speaker.say("It is ", "a spleen.", None)
    await ada.hear("threads.create", input=text("What?"))
    [identity] = seen
    assert identity.user.id == ada.user.id
    assert len(identity.sessions) == 1
    assert speaker.user_id == responder_user_id(ada.user.id)
    assert speaker.user_id.version == 5
    await ada.read("threads.list")
    with pytest.raises(LookupError):
        current_identity()
