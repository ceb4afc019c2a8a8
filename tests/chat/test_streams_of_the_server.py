"""Streams in the whole application: real log-in sessions, a real server that is told to stop."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from src.chat.models import ChatMessage
from src.core.db import build_sessionmaker
from tests.chat.conftest import Speaker
from tests.chat.listening import app_of, listening
from tests.conftest import WithState
from tests.factories import Person, sign_up
from tests.processes.workers import server_environment, worker_processes
from tests.servers import END_SECONDS, RedisServer

STREAMS = 3

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


async def test_a_stream_ends_when_the_person_logs_out(
    client: httpx.AsyncClient, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = app_of(client)
    assert isinstance(served, WithState)
    monkeypatch.setitem(served.state, "responder", speaker)
    ada = await sign_up(client)
    async with listening(client, ada, "hello") as stream:
        await stream.next()
        speaker.say("It is ")
        await stream.next()
        await client.post("/auth/logout", headers=ada.authorization)
        ((name, document),) = await stream.rest()
    assert (name, document["type"]) == ("error", "urn:problem:invalid-token")


async def begun(server: httpx.AsyncClient, person: Person) -> httpx.Response:
    request = server.build_request(
        "POST",
        "/chat/message",
        json={"message": "hello"},
        headers={**person.authorization, "Accept": "text/event-stream"},
    )
    return await server.send(request, stream=True)


async def leave_after_the_first_word(response: httpx.Response) -> None:
    async for line in response.aiter_lines():
        if line == "event: delta":
            break
    await response.aclose()


async def last_event(response: httpx.Response, heard: asyncio.Event) -> Any:
    """The document of a stream's last event; `heard` is set with the first word."""
    last = ""
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            last = line.removeprefix("data: ")
        if line == "event: delta":
            heard.set()
    return json.loads(last)


async def test_a_server_that_stops_ends_its_streams_and_keeps_what_was_said(
    database_url: str, redis_server: RedisServer, engine: AsyncEngine
) -> None:
    environment = server_environment(database_url=database_url, redis_url=redis_server.url)
    with worker_processes(1, environment, app="tests.chat.paced:app") as (worker,):
        async with httpx.AsyncClient(base_url=worker.base, trust_env=False) as server:
            ada = await sign_up(server)
            await leave_after_the_first_word(await begun(server, ada))
            streams = [await begun(server, ada) for _ in range(STREAMS)]
            heard = [asyncio.Event() for _ in streams]
            ends = [
                asyncio.create_task(last_event(stream, each))
                for stream, each in zip(streams, heard, strict=True)
            ]
            await asyncio.gather(*(each.wait() for each in heard))
            worker.process.terminate()
            async with asyncio.timeout(END_SECONDS):
                documents = await asyncio.gather(*ends)
        assert worker.process.wait(END_SECONDS) is not None
        assert "Traceback" not in worker.printed
    assert {each["type"] for each in documents} == {"urn:problem:service-unavailable"}
    async with build_sessionmaker(engine)() as db:
        statement = select(ChatMessage.cut).where(col(ChatMessage.content).startswith("1 "))
        assert list(await db.exec(statement)) == [True] * (STREAMS + 1)
