"""Noting and reading records through the public routes."""

from typing import Any

import httpx

from tests.features import Somebody

RECORD = {
    "part": "femur",
    "kind": "symptom",
    "side": "left",
    "severity": 7,
    "started_on": "2026-01-30",
    "ended_on": "2026-01-31",
    "note": "throbs",
}
Record = dict[str, Any]


async def note(anatomy: httpx.AsyncClient, person: Somebody, **members: Any) -> Record:
    response = await anatomy.post(
        "/anatomy/records",
        json=RECORD | members,
        headers=person.authorization,
    )
    assert response.status_code == 201, response.text
    record: Record = response.json()
    return record


async def ask(
    anatomy: httpx.AsyncClient,
    person: Somebody,
    method: str,
    record_id: str,
    body: Record | None = None,
) -> httpx.Response:
    return await anatomy.request(
        method,
        f"/anatomy/records/{record_id}",
        json=body,
        headers=person.authorization,
    )


async def listed(
    anatomy: httpx.AsyncClient,
    person: Somebody,
    **parameters: Any,
) -> dict[str, Any]:
    response = await anatomy.get(
        "/anatomy/records",
        params=parameters,
        headers=person.authorization,
    )
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    assert document.keys() == {"records", "next_cursor"}
    return document
