"""A user's threads: read, list, rename, delete, and what they think of the items."""

from pydantic import BaseModel

from src.core.db import SessionMaker, unit_of_work
from src.support import store
from src.support.errors import ItemNotFound, NotOffered, ThreadNotFound
from src.support.ids import THREAD_PREFIX, spelled
from src.support.requests import (
    DEFAULT_LIMIT,
    DeleteThread,
    GetThread,
    GiveFeedback,
    JsonRequest,
    ListItems,
    ListThreads,
    RunAction,
    UpdateThread,
)
from src.support.store import Range
from src.support.views import Item, Page, Thread, page_of_items, thread_view

FIRST_ITEMS = Range("asc", None, DEFAULT_LIMIT + 1)


class Done(BaseModel):
    """`{}`: there is nothing to say."""


class Threads:
    """The threads of one user. Methods raise `ThreadNotFound` for any that is not theirs."""

    def __init__(self, sessions: SessionMaker, *, user_id: str) -> None:
        self._sessions = sessions
        self._user_id = user_id

    async def answer(self, asked: JsonRequest) -> BaseModel:
        """Raises: `ItemNotFound`, `NotOffered`."""
        answer: BaseModel
        match asked:
            case GetThread():
                answer = await self._get(asked)
            case ListThreads():
                answer = await self._list(asked)
            case UpdateThread():
                answer = await self._rename(asked)
            case DeleteThread():
                answer = await self._delete(asked)
            case ListItems():
                answer = await self._list_items(asked)
            case GiveFeedback():
                answer = await self._judge(asked)
            case RunAction():
                answer = await self._run(asked)
        return answer

    async def _get(self, asked: GetThread) -> Thread:
        """With its first items, oldest first."""
        thread_id, user_id = asked.params.thread_id, self._user_id
        async with unit_of_work(self._sessions) as db:
            thread = await store.thread_of(db, thread_id, user_id=user_id)
            if thread is None:
                raise ThreadNotFound
            items = await store.items_of(db, thread_id, user_id=user_id, part=FIRST_ITEMS)
        return thread_view(thread, page_of_items(items, DEFAULT_LIMIT))

    async def _list(self, asked: ListThreads) -> Page[Thread]:
        wanted = asked.params
        part = Range(wanted.order, wanted.after, wanted.size + 1)
        async with unit_of_work(self._sessions) as db:
            found = await store.threads_of(db, user_id=self._user_id, part=part)
        page, has_more = found[: wanted.size], len(found) > wanted.size
        return Page(
            data=[thread_view(thread) for thread in page],
            has_more=has_more,
            after=spelled(THREAD_PREFIX, page[-1].id) if has_more else None,
        )

    async def _rename(self, asked: UpdateThread) -> Thread:
        async with unit_of_work(self._sessions) as db:
            thread = await store.lock_thread(db, asked.params.thread_id, user_id=self._user_id)
            if thread is None:
                raise ThreadNotFound
            thread.title = asked.params.title
        return thread_view(thread)

    async def _delete(self, asked: DeleteThread) -> Done:
        """The items go with their thread."""
        async with unit_of_work(self._sessions) as db:
            if not await store.delete_thread(db, asked.params.thread_id, user_id=self._user_id):
                raise ThreadNotFound
        return Done()

    async def _list_items(self, asked: ListItems) -> Page[Item]:
        wanted = asked.params
        part = Range(wanted.order, wanted.after, wanted.size + 1)
        thread_id, user_id = wanted.thread_id, self._user_id
        async with unit_of_work(self._sessions) as db:
            found = await store.items_of(db, thread_id, user_id=user_id, part=part)
            # There may be nothing to read, or no such thread.
            if not found and await store.thread_of(db, thread_id, user_id=user_id) is None:
                raise ThreadNotFound
        return page_of_items(found, wanted.size)

    async def _judge(self, asked: GiveFeedback) -> Done:
        """All of the items or none. Raises: `ItemNotFound`."""
        thread_id, user_id = asked.params.thread_id, self._user_id
        item_ids = set(asked.params.item_ids)
        async with unit_of_work(self._sessions) as db:
            if await store.lock_thread(db, thread_id, user_id=user_id) is None:
                raise ThreadNotFound
            known = await store.items_with(db, item_ids, thread_id=thread_id, user_id=user_id)
            if known != item_ids:
                raise ItemNotFound
            await store.replace_feedback(db, item_ids, asked.params.kind)
        return Done()

    async def _run(self, asked: RunAction) -> Done:
        """Actions come from widgets, of which our assistant shows none. Raises: `NotOffered`."""
        async with unit_of_work(self._sessions) as db:
            thread_id = asked.params.thread_id
            if await store.thread_of(db, thread_id, user_id=self._user_id) is None:
                raise ThreadNotFound
        raise NotOffered
