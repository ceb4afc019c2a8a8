"""What ChatKit may ask for and what not: each fault by its member, none repeated."""

from typing import Any

import pytest

from src.core.errors import InvalidRequest
from src.support.errors import NotOffered
from src.support.requests import MAX_INPUT_BYTES, NOT_OFFERED, read_request
from tests.support.chatkit import MISSING_ITEM, MISSING_THREAD, text

SECRET = "a canary"
TAG = {"type": "input_tag", "id": "1", "text": "t", "data": {}}


def saying(**members: Any) -> dict[str, Any]:
    return {"type": "threads.create", "params": {"input": text("a", **members)}}


def asking(kind: str, /, **params: Any) -> dict[str, Any]:
    return {"type": kind, "params": params}


@pytest.mark.parametrize("kind", NOT_OFFERED)
def test_what_is_not_offered_is_told_so_whatever_its_parameters(kind: str) -> None:
    with pytest.raises(NotOffered):
        read_request(asking(kind, anything=1))


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([SECRET], "/type"),
        ({}, "/type"),
        ({"type": SECRET}, "/type"),
        ({"type": [SECRET]}, "/type"),
        ({"type": "threads.list"}, "/params"),
        (asking("threads.list", order=SECRET), "/params/order"),
        (asking("threads.list", limit=SECRET), "/params/limit"),
        (asking("threads.list", after=SECRET), "/params/after"),
        (asking("threads.get_by_id", thread_id=SECRET), "/params/thread_id"),
        (asking("threads.get_by_id", thread_id=MISSING_ITEM), "/params/thread_id"),
        (asking("threads.get_by_id", thread_id=MISSING_THREAD.upper()), "/params/thread_id"),
        (asking("threads.get_by_id", thread_id=f"{MISSING_THREAD}\n"), "/params/thread_id"),
        (asking("threads.get_by_id", thread_id=1), "/params/thread_id"),
        (asking("threads.update", thread_id=MISSING_THREAD, title=" "), "/params/title"),
        (asking("threads.update", thread_id=MISSING_THREAD, title="x" * 256), "/params/title"),
        (
            asking("items.feedback", thread_id=MISSING_THREAD, item_ids=[], kind=SECRET),
            "/params/kind",
        ),
        (saying(content=[]), "/params/input/content"),
        (saying(content=[TAG] * 101), "/params/input/content"),
        (saying(content=[{"type": SECRET, "text": "a"}]), "/params/input/content/0/type"),
        (saying(content=[{"type": "input_tag", "text": "a"}]), "/params/input/content/0"),
        (saying(content=[{"type": "input_text", "text": " "}]), "/params/input"),
        (saying(content=[{"type": "input_text", "text": "x" * 8_001}]), "/params/input"),
        (saying(quoted_text="x" * 8_000), "/params/input"),
        (saying(content=[{**TAG, "data": {"a": "x" * MAX_INPUT_BYTES}}]), "/params/input"),
        (saying(attachments=[SECRET]), "/params/input/attachments"),
        (
            saying(inference_options={"tool_choice": {}}),
            "/params/input/inference_options/tool_choice/id",
        ),
    ],
)
def test_a_fault_is_told_by_its_member_and_not_repeated(document: object, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(document)
    assert [error.pointer for error in caught.value.errors] == [pointer]
    assert SECRET not in caught.value.errors[0].detail


def test_members_that_nobody_knows_are_passed_over() -> None:
    asked = saying(user_id="somebody else's", mood="good")
    asked["new"] = {"a": 1}
    assert read_request(asked) == read_request(saying())
