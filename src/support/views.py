"""ChatKit's threads, items and stream events, as they are sent: absent members are left out.

Source: openai-chatkit 1.6.5, `chatkit/types.py`, which is the oracle of the tests.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json

from src.support.ids import ITEM_PREFIX, ItemId, ThreadId, spelled
from src.support.models import SupportItem, SupportThread

T = TypeVar("T")
Event = dict[str, Any]

STREAM_OPTIONS: Final[Event] = {"type": "stream_options", "stream_options": {"allow_cancel": True}}


class Page(BaseModel, Generic[T]):
    """`after` is what to send for the next page."""

    data: list[T]
    has_more: bool = False
    after: str | None = None


class OutputText(BaseModel):
    """What an assistant's message consists of: one of these."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[Any] = []


class UserMessage(BaseModel):
    """What the user said, as ChatKit sent it."""

    type: Literal["user_message"] = "user_message"
    id: ItemId
    thread_id: ThreadId
    created_at: datetime
    content: list[dict[str, Any]]
    attachments: list[Any] = []
    quoted_text: str | None = None
    inference_options: dict[str, Any]


class AssistantMessage(BaseModel):
    """A reply; without content while it is still to come."""

    type: Literal["assistant_message"] = "assistant_message"
    id: ItemId
    thread_id: ThreadId
    created_at: datetime
    content: list[OutputText]


Item = UserMessage | AssistantMessage


class ActiveStatus(BaseModel):
    """The only one of ChatKit's states that our threads have."""

    type: Literal["active"] = "active"


class Thread(BaseModel):
    """A thread with a page of its items, which is empty wherever the items are not asked for."""

    id: ThreadId
    title: str
    created_at: datetime
    status: ActiveStatus = ActiveStatus()
    metadata: dict[str, Any] = {}
    items: Page[Item]


def encoded(answer: BaseModel | Event) -> bytes:
    """JSON. What is None is absent to ChatKit."""
    return to_json(answer, exclude_none=True)


def thread_view(thread: SupportThread, items: Page[Item] | None = None) -> Thread:
    return Thread(
        id=thread.id,
        title=thread.title,
        created_at=thread.created_at,
        items=items or Page(data=[]),
    )


def item_view(item: SupportItem) -> Item:
    common: dict[str, Any] = {
        "id": item.id,
        "thread_id": item.thread_id,
        "created_at": item.created_at,
    }
    if item.role == "user":
        return UserMessage(**common, **(item.details or {}))
    return AssistantMessage(**common, content=[OutputText(text=item.content)])


def page_of_items(found: Sequence[SupportItem], limit: int) -> Page[Item]:
    """A page of `limit` items, of one more than that where there are more."""
    page, has_more = found[:limit], len(found) > limit
    return Page(
        data=[item_view(item) for item in page],
        has_more=has_more,
        after=spelled(ITEM_PREFIX, page[-1].id) if has_more else None,
    )


def thread_created(thread: SupportThread) -> Event:
    return {"type": "thread.created", "thread": thread_view(thread)}


def item_added(item: SupportItem) -> Event:
    """An assistant's message begins, still without content."""
    view = item_view(item).model_copy(update={"content": []})
    return {"type": "thread.item.added", "item": view}


def item_done(item: SupportItem) -> Event:
    return {"type": "thread.item.done", "item": item_view(item)}


def part_added(item_id: UUID) -> Event:
    return _updated(item_id, "added", content=OutputText(text=""))


def text_delta(item_id: UUID, delta: str) -> Event:
    return _updated(item_id, "text_delta", delta=delta)


def part_done(item_id: UUID, text: str) -> Event:
    return _updated(item_id, "done", content=OutputText(text=text))


def failed(*, allow_retry: bool) -> Event:
    return {"type": "error", "code": "stream.error", "allow_retry": allow_retry}


def told(message: str) -> Event:
    """An error with words for the user, which trying again does not mend."""
    return {"type": "error", "code": "custom", "message": message, "allow_retry": False}


def _updated(item_id: UUID, happened: str, **members: Any) -> Event:  # noqa: ANN401 - JSON
    update = {
        "type": f"assistant_message.content_part.{happened}",
        "content_index": 0,  # there is one part
        **members,
    }
    return {
        "type": "thread.item.updated",
        "item_id": spelled(ITEM_PREFIX, item_id),
        "update": update,
    }
