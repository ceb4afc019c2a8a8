"""ChatKit's side: what its component asks, and its own types, which every answer must parse as."""

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import httpx
from chatkit.types import ThreadStreamEvent
from pydantic import TypeAdapter

from tests.chat.listening import Stream, answering
from tests.factories import bearer
from tests.issuers.better_auth_tables import Deployment, SomeUser

Json = dict[str, Any]

EVENT: TypeAdapter[Any] = TypeAdapter(ThreadStreamEvent)
MISSING_THREAD = "thr_01890a5dac96774bbcceb302099a8057"
MISSING_ITEM = "msg_01890a5dac96774bbcceb302099a8057"


class ChatKitStream(Stream):
    """Events as ChatKit reads them: `data: {json}` and an empty line, and nothing else."""

    async def event(self) -> Json:
        """Raises: EOFError after the last."""
        line = await self.chunk()
        assert line.startswith(b"data: {")
        assert line.endswith(b"}\n\n")
        assert line.count(b"\n") == 2
        document: Json = json.loads(line.removeprefix(b"data: "))
        EVENT.validate_python(document)
        return document

    async def until(self, *kinds: str) -> Json:
        """The next event of one of these kinds."""
        while (event := await self.event())["type"] not in kinds:
            pass
        return event

    async def events(self) -> list[Json]:
        """All that are still to come."""
        found = []
        try:
            while True:
                found.append(await self.event())
        except EOFError:
            return found


@dataclass
class Customer:
    """Somebody who is signed in at Better Auth and talks to us."""

    client: httpx.AsyncClient
    deployment: Deployment
    user: SomeUser
    session_token: str
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = bearer(self.session_token)

    def request(self, kind: str, /, **params: Any) -> httpx.Request:
        return self.client.build_request(
            "POST",
            "/support/chatkit",
            json={"type": kind, "params": params, "metadata": {}},
            headers=self.headers,
        )

    async def ask(self, kind: str, /, **params: Any) -> httpx.Response:
        return await self.client.send(self.request(kind, **params))

    async def read(self, kind: str, /, **params: Any) -> Json:
        """The JSON of an answer."""
        response = await self.ask(kind, **params)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        document: Json = response.json()
        return document

    def listen(self, kind: str, /, **params: Any) -> AbstractAsyncContextManager[ChatKitStream]:
        return answering(self.client, self.request(kind, **params), ChatKitStream())

    async def hear(self, kind: str, /, **params: Any) -> list[Json]:
        """All events of an answer."""
        async with self.listen(kind, **params) as stream:
            return await stream.events()

    async def items(self, thread_id: str) -> list[Json]:
        """What is stored, oldest first."""
        page = await self.read("items.list", thread_id=thread_id, order="asc", limit=100)
        items: list[Json] = page["data"]
        return items

    async def said(self, thread_id: str) -> list[tuple[str, str]]:
        """Who said what, oldest first."""
        return [
            (item["type"].removesuffix("_message"), item["content"][0]["text"])
            for item in await self.items(thread_id)
        ]


def text(said: str, **members: Any) -> Json:
    """A user's input as the component sends it."""
    return {
        "content": [{"type": "input_text", "text": said}],
        "attachments": [],
        "inference_options": {},
        **members,
    }


def kinds(events: Sequence[Json]) -> list[str]:
    return [event["type"] for event in events]
