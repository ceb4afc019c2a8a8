"""Threads and their items over ChatKit's protocol; every answer parses as ChatKit's own types."""

from typing import Any, get_args

import pytest
from chatkit.types import NonStreamingReq, Page, StreamingReq, Thread, ThreadItem
from pydantic import TypeAdapter
from sqlmodel import select

from src.chat.sayings import MESSAGES
from src.chat.speech import Speeches
from src.core.db import SessionMaker
from src.core.errors import LimitReached
from src.core.usage import Limit
from src.support.models import SupportFeedback
from src.support.requests import BY_TYPE, NOT_OFFERED, StreamingRequest
from src.support.router import router
from tests.chat.conftest import Speaker
from tests.factories import problem
from tests.features import client_of, without_request_id
from tests.issuers.better_auth_tables import Deployment
from tests.support.chatkit import MISSING_ITEM, MISSING_THREAD, Customer, Json, kinds, text

THREADS: TypeAdapter[Any] = TypeAdapter(Page[Thread])
ITEMS: TypeAdapter[Any] = TypeAdapter(Page[ThreadItem])


def types_of(requests: Any) -> set[str]:
    return {request.model_fields["type"].default for request in get_args(requests)}


@pytest.mark.one_database
def test_each_of_chatkits_requests_is_answered_in_its_way(database_url: str) -> None:  # noqa: ARG001
    streamed = {name for name, kind in BY_TYPE.items() if kind in get_args(StreamingRequest)}
    assert streamed == types_of(StreamingReq)
    assert {*BY_TYPE, *NOT_OFFERED} - streamed == types_of(NonStreamingReq)


async def test_a_thread_is_opened_with_a_message_and_its_reply(
    ada: Customer, speaker: Speaker
) -> None:
    speaker.say("It filters\n\n", "blood 👩🏽‍⚕️.", None)
    async with ada.listen("threads.create", input=text("What does the spleen do?")) as stream:
        events = await stream.events()
    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    updates = ["thread.item.updated"] * 4
    assert kinds(events) == [
        "thread.created", "thread.item.done", "stream_options", "thread.item.added", *updates,
        "thread.item.done",
    ]  # fmt: skip
    assert [event["update"]["type"].rpartition(".")[2] for event in events[4:8]] == [
        "added", "text_delta", "text_delta", "done",
    ]  # fmt: skip
    created, asked, begun, replied = (events[i] for i in (0, 1, 3, -1))
    assert created["thread"]["title"] == "What does the spleen do?"
    assert begun["item"] == {**replied["item"], "content": []}
    thread_id = created["thread"]["id"]
    page = await ada.read("items.list", thread_id=thread_id, order="asc")
    assert page == {"data": [asked["item"], replied["item"]], "has_more": False}
    assert ITEMS.validate_python(page).data[1].content[0].text == "It filters\n\nblood 👩🏽‍⚕️."
    assert speaker.asked == ["What does the spleen do?"]


async def test_a_message_in_a_thread_is_answered_with_what_was_said_before_in_mind(
    ada: Customer, speaker: Speaker, thread: Json
) -> None:
    speaker.say("Left.", None)
    events = await ada.hear(
        "threads.add_user_message", thread_id=thread["id"], input=text("Where?")
    )
    assert kinds(events)[:3] == ["thread.item.done", "stream_options", "thread.item.added"]
    assert await ada.said(thread["id"]) == [
        ("user", "What does the spleen do?"),
        ("assistant", "It filters blood."),
        ("user", "Where?"),
        ("assistant", "Left."),
    ]
    assert [(turn.role, turn.content) for turn in speaker.history] == (
        await ada.said(thread["id"])
    )[:2]


async def test_tags_quotes_and_options_come_back_as_they_were_sent(
    ada: Customer, speaker: Speaker
) -> None:
    speaker.say("Hello.", None)
    tag = {"type": "input_tag", "id": "1", "text": "Bob", "data": {"a": [None, 1]}, "group": "g"}
    said = {
        "content": [{"type": "input_text", "text": "Who is"}, tag],
        "attachments": [],
        "quoted_text": "Ask Bob.\nOr me.",
        "inference_options": {"model": "m", "tool_choice": {"id": "t"}},
    }
    events = await ada.hear("threads.create", input=said)
    [asked, _] = await ada.items(events[0]["thread"]["id"])
    assert {name: asked[name] for name in said} == said
    assert speaker.asked == ["> Ask Bob.\n> Or me.\n\nWho is Bob"]
    assert events[0]["thread"]["title"] == "Who is Bob"


async def test_threads_are_listed_page_by_page_in_both_orders(
    ada: Customer, bob: Customer, speaker: Speaker
) -> None:
    made = []
    for person in (ada, bob, ada, ada):
        speaker.say("Yes.", None)
        made.append((await person.hear("threads.create", input=text("Is it?")))[0]["thread"]["id"])
    mine = [made[0], *made[2:]]
    first = await ada.read("threads.list", limit=2)
    rest = await ada.read("threads.list", limit=2, after=first["after"])
    assert [each["id"] for each in first["data"] + rest["data"]] == mine[::-1]
    assert (first["has_more"], rest["has_more"], "after" in rest) == (True, False, False)
    listed = THREADS.validate_python(await ada.read("threads.list", order="asc", limit=100))
    assert [each.id for each in listed.data] == mine
    assert all(each.created_at.tzinfo for each in listed.data)


async def test_items_are_listed_page_by_page_whatever_limit_is_asked_for(
    ada: Customer, thread: Json
) -> None:
    assert ITEMS.validate_python(Thread.model_validate(thread).items.model_dump())
    question, reply = thread["items"]["data"]
    for limit in (-5, 1):
        last = await ada.read("items.list", thread_id=thread["id"], limit=limit)
        assert (last["data"], last["has_more"]) == ([reply], True)
    before = await ada.read("items.list", thread_id=thread["id"], after=last["after"])
    assert before == {"data": [question], "has_more": False}
    for unbounded in (0, 10**30, None):
        page = await ada.read("items.list", thread_id=thread["id"], limit=unbounded, order="asc")
        assert page["data"] == [question, reply]


async def test_a_thread_is_renamed_and_deleted(ada: Customer, thread: Json) -> None:
    renamed = await ada.read("threads.update", thread_id=thread["id"], title=" Spleen ")
    assert renamed == {**thread, "title": "Spleen", "items": {"data": [], "has_more": False}}
    assert (await ada.read("threads.get_by_id", thread_id=thread["id"]))["title"] == "Spleen"
    assert await ada.read("threads.delete", thread_id=thread["id"]) == {}
    assert problem(await ada.ask("threads.delete", thread_id=thread["id"])) == "thread-not-found"
    assert problem(await ada.ask("items.list", thread_id=thread["id"])) == "thread-not-found"


async def test_the_latest_word_on_an_item_counts(
    ada: Customer, thread: Json, sessionmaker: SessionMaker
) -> None:
    items = [item["id"] for item in thread["items"]["data"]]
    for kind in ("positive", "negative"):
        given = await ada.read(
            "items.feedback", thread_id=thread["id"], item_ids=[*items, items[0]], kind=kind
        )
        assert given == {}
    lost = await ada.ask(
        "items.feedback", thread_id=thread["id"], item_ids=[items[0], MISSING_ITEM], kind="positive"
    )
    assert problem(lost) == "item-not-found"
    async with sessionmaker() as db:
        stored = (await db.exec(select(SupportFeedback))).all()
    assert {f"msg_{each.item_id.hex}": each.kind for each in stored if each} == dict.fromkeys(
        items, "negative"
    )


async def test_a_message_that_is_asked_again_loses_what_followed_it(
    ada: Customer, speaker: Speaker, thread: Json
) -> None:
    speaker.say("Left.", None)
    await ada.hear("threads.add_user_message", thread_id=thread["id"], input=text("Where?"))
    question, reply = (item["id"] for item in thread["items"]["data"])
    speaker.say("It stores blood.", None)
    events = await ada.hear("threads.retry_after_item", thread_id=thread["id"], item_id=question)
    assert kinds(events)[:2] == ["stream_options", "thread.item.added"]
    assert await ada.said(thread["id"]) == [
        ("user", "What does the spleen do?"),
        ("assistant", "It stores blood."),
    ]
    assert not speaker.history
    for item_id in (reply, events[-1]["item"]["id"], MISSING_ITEM):
        lost = await ada.ask("threads.retry_after_item", thread_id=thread["id"], item_id=item_id)
        assert problem(lost) == "item-not-found"


async def test_anothers_thread_answers_as_a_missing_one_before_any_stream(
    ada: Customer, bob: Customer, speaker: Speaker, thread: Json
) -> None:
    speaker.say(*[None] * 6)  # no stream may begin: if one did, it would end at once
    item_id = thread["items"]["data"][0]["id"]
    everything = {
        "input": text("Hello"), "item_id": item_id, "item_ids": [item_id], "kind": "positive",
        "title": "taken", "action": {"type": "a"}, "result": 1,
    }  # fmt: skip
    asked = 0
    for kind in BY_TYPE:
        if kind not in ("threads.create", "threads.list"):
            theirs = await bob.ask(kind, thread_id=thread["id"], **everything)
            missing = await bob.ask(kind, thread_id=MISSING_THREAD, **everything)
            assert problem(theirs) == "thread-not-found", kind
            assert without_request_id(theirs) == without_request_id(missing), kind
            asked += 1
    assert asked == 11
    assert (await bob.read("threads.list"))["data"] == []
    assert (await bob.read("threads.list", after=thread["id"]))["data"] == []
    assert await ada.read("threads.get_by_id", thread_id=thread["id"]) == thread


@pytest.mark.one_database
async def test_messages_are_limited_and_reading_is_not(
    ada: Customer, sessionmaker: SessionMaker, deployment: Deployment, speeches: Speeches
) -> None:
    counted: list[Any] = []

    async def refuse(limit: Limit, *, owner: str, headers: Any) -> None:  # noqa: ARG001
        counted.append((limit, owner))
        raise LimitReached

    state = {"better_auth": deployment.better_auth, "responder": None, "speeches": speeches}
    async with client_of(
        router, sessionmaker=sessionmaker, count_use=refuse, **state
    ) as limited_client:
        limited = Customer(limited_client, ada.deployment, ada.user, ada.session_token)
        assert (await limited.read("threads.list"))["data"] == []
        refused = await limited.ask("threads.create", input=text("What is a spleen?"))
    assert (refused.status_code, problem(refused)) == (429, "too-many-requests")
    assert counted == [(MESSAGES, f"better-auth {ada.user.id}")]
