"""Talking through the public routes."""

from typing import Any

import httpx

from tests.features import Somebody

MISSING = "01890a5d-ac96-774b-bcce-b302099a8057"


async def say(
    chat: httpx.AsyncClient,
    person: Somebody,
    message: str,
    session_id: str | None = None,
) -> httpx.Response:
    body = {"message": message} | ({"session_id": session_id} if session_id else {})
    return await chat.post("/chat/message", json=body, headers=person.authorization)


async def read(
    chat: httpx.AsyncClient,
    person: Somebody,
    session_id: str,
    **query: Any,
) -> httpx.Response:
    return await chat.get(
        f"/chat/history/{session_id}",
        params=query,
        headers=person.authorization,
    )
