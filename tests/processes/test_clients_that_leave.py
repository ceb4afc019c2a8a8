"""Requests that end in the middle: connections go back to their pools, whole."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from src.app import create_app
from src.core.settings import Settings
from tests.conftest import WithState
from tests.factories import PASSWORD, Person, log_in, new_email, refresh, sign_up
from tests.processes.people import logging_in, signing_up
from tests.processes.workers import Workers, report, statuses, until

LEAVING = 200
READY_SECONDS = 5.0
AT_ONCE = 10
# A log-in with fast hashing takes some milliseconds: this ends requests at every stage.
MOST_PATIENCE_SECONDS = 0.03

Client = httpx.AsyncClient


def requests_of(client: Client, person: Person) -> list[Callable[[], Coroutine[Any, Any, Any]]]:
    return [
        lambda: refresh(client, person.refresh_token),
        lambda: logging_in(client, person),
        lambda: signing_up(client, email=new_email(), password=PASSWORD),
        lambda: client.get("/auth/me", headers=person.authorization),
    ]


@asynccontextmanager
async def running_with_state(settings: Settings) -> AsyncIterator[tuple[Client, dict[str, Any]]]:
    """A client of an application of its own, and what its lifespan made."""
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(WithState(app, dict(state or {})))
        async with Client(transport=transport, base_url="http://testserver") as client:
            yield client, dict(state or {})


async def left_in_the_middle(request: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
    """Whether the request was cancelled before it was answered."""
    task = asyncio.create_task(request())
    await asyncio.sleep(random.uniform(0, MOST_PATIENCE_SECONDS))
    task.cancel()
    return isinstance(
        (await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError
    )


async def test_cancelled_requests_give_every_connection_back(settings: Settings) -> None:
    """A server cancels requests when it is told to stop; its pools must not notice."""
    async with running_with_state(settings) as (client, state):
        person = await sign_up(client)
        cancelled = 0
        for _ in range(LEAVING // AT_ONCE):
            chosen = random.choices(requests_of(client, person), k=AT_ONCE)
            cancelled += sum(await asyncio.gather(*map(left_in_the_middle, chosen)))
        redis_pool = state["redis"].connection_pool
        database_pool = state["sessionmaker"].kw["bind"].pool
        report(
            f"{LEAVING} requests, ended at any moment",
            cancelled=cancelled,
            redis_connections=len(redis_pool._available_connections),
        )
        assert cancelled >= LEAVING / 4
        async with asyncio.timeout(READY_SECONDS):
            while redis_pool._in_use_connections:  # noqa: ASYNC110 - a batch whose callers all left
                await asyncio.sleep(0.01)
        assert not database_pool.checkedout()
        assert not state["hasher"]._pending
        after = await asyncio.gather(
            *(refresh(client, person.refresh_token) for _ in range(AT_ONCE)),
        )
        assert statuses(after) == {200: AT_ONCE}
        assert (await sign_up(client)).user["id"] != person.user["id"]


async def send_and_leave(base: str, path: str, body: dict[str, str]) -> None:
    """Send a whole request, and close the connection a moment later."""
    address = urlsplit(base)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content)
    await writer.drain()
    await asyncio.sleep(random.uniform(0, MOST_PATIENCE_SECONDS))
    writer.transport.abort()


@pytest.mark.faults
async def test_clients_that_close_their_connection_hold_up_nobody(pair: Workers) -> None:
    person = await sign_up(pair.next)
    bodies: list[tuple[str, dict[str, str]]] = [
        ("/auth/refresh", {"refresh_token": person.refresh_token}),
        ("/auth/login", {"email": person.email, "password": PASSWORD}),
    ]
    for number in range(LEAVING // AT_ONCE):
        base = pair.workers[number % 2].base
        chosen = random.choices(bodies, k=AT_ONCE)
        await asyncio.gather(*(send_and_leave(base, path, body) for path, body in chosen))
    for client in pair.clients:
        await until(partial(client.get, "/readyz"), 200, within=READY_SECONDS)
    again = await log_in(pair.next, person)
    refreshed = await pair.at_once(50, lambda client: refresh(client, again.refresh_token))
    assert statuses(refreshed) == {200: 50}
