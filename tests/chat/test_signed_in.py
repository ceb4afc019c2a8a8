"""Chat and anatomy inside the whole application: real accounts, tokens and responder."""

import httpx

from tests.factories import problem, sign_up


async def test_somebody_who_signed_up_asks_and_is_answered_from_the_catalogue(
    client: httpx.AsyncClient,
) -> None:
    ada = await sign_up(client)
    sent = await client.post(
        "/chat/message",
        json={"message": "What does the spleen do?"},
        headers=ada.authorization,
    )
    assert sent.status_code == 200, sent.text
    assert sent.headers["cache-control"] == "no-store"
    exchange = sent.json()
    assert "spleen" in exchange["reply"]["content"].lower()
    address = f"/chat/history/{exchange['session_id']}"
    history = await client.get(address, headers=ada.authorization)
    assert history.json()["messages"] == [exchange["message"], exchange["reply"]]
    bob = await sign_up(client)
    assert problem(await client.get(address, headers=bob.authorization)) == "session-not-found"


async def test_somebody_who_signed_up_sees_what_they_noted(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client)
    noted = await client.post(
        "/anatomy/records",
        json={"part": "lung", "kind": "symptom", "side": "left", "severity": 3},
        headers=ada.authorization,
    )
    assert noted.status_code == 201, noted.text
    overview = await client.get("/anatomy/", headers=ada.authorization)
    assert overview.headers["cache-control"] == "no-store"
    assert overview.json()["latest_records"] == [noted.json()]
