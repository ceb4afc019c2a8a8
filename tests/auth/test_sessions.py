"""GET /auth/sessions and DELETE /auth/sessions/{id}."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import PassTime
from tests.factories import Person, log_in, problem, refresh, sign_up
from tests.tokens import claims_of

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def sessions_of(client: Client, person: Person) -> list[dict[str, Any]]:
    response = await client.get("/auth/sessions", headers=person.authorization)
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json()["sessions"]
    return listed


async def end(client: Client, person: Person, session_id: str) -> httpx.Response:
    return await client.delete(f"/auth/sessions/{session_id}", headers=person.authorization)


async def test_a_person_sees_their_sessions_and_which_is_this_one(client: Client) -> None:
    await sign_up(client)
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    listed = await sessions_of(client, phone)
    assert {s["id"]: s["current"] for s in listed} == {
        claims_of(laptop.access_token)["sid"]: False,
        claims_of(phone.access_token)["sid"]: True,
    }


async def test_a_session_has_a_device_an_address_and_its_times(
    client: Client,
    pass_time: PassTime,
) -> None:
    person = await sign_up(client)
    login = await client.post(
        "/auth/login",
        json={"email": person.email, "password": person.password},
        headers={"User-Agent": FIREFOX},
    )
    await pass_time(timedelta(hours=1))
    rotated = (await refresh(client, login.json()["refresh_token"])).json()
    headers = {"Authorization": f"Bearer {rotated['access_token']}"}
    listed = (await client.get("/auth/sessions", headers=headers)).json()["sessions"]
    assert [s["current"] for s in listed] == [True, False]
    session = listed[0]
    assert set(session) == {
        "id", "created_at", "last_used_at", "expires_at", "ip", "device", "current",
    }  # fmt: skip
    assert (session["device"], session["ip"]) == ("Firefox on Linux", "127.0.0.1")
    created, used, expires = (
        datetime.fromisoformat(session[name])
        for name in ("created_at", "last_used_at", "expires_at")
    )
    assert timedelta(minutes=59) < used - created < timedelta(minutes=61)
    assert expires.timestamp() == claims_of(rotated["refresh_token"])["exp"]


async def test_ended_and_expired_sessions_are_not_listed(
    client: Client,
    pass_time: PassTime,
) -> None:
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    await client.post("/auth/logout", headers=phone.authorization)
    assert len(await sessions_of(client, laptop)) == 1
    await pass_time(timedelta(days=7, minutes=1))
    fresh = await log_in(client, laptop)
    assert [s["current"] for s in await sessions_of(client, fresh)] == [True]


async def test_a_person_ends_one_of_their_sessions(client: Client) -> None:
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    phone_id = claims_of(phone.access_token)["sid"]
    assert (await end(client, laptop, phone_id)).status_code == 204
    assert problem(await refresh(client, phone.refresh_token)) == "invalid-refresh-token"
    assert problem(await client.get("/auth/me", headers=phone.authorization)) == "invalid-token"
    assert (await refresh(client, laptop.refresh_token)).status_code == 200
    assert problem(await end(client, laptop, phone_id)) == "session-not-found"


async def test_somebody_else_s_session_answers_exactly_as_a_missing_one(client: Client) -> None:
    ada, grace = await sign_up(client), await sign_up(client)
    theirs = await end(client, ada, claims_of(grace.access_token)["sid"])
    missing = await end(client, ada, "A" * 16)
    documents = []
    for response in (theirs, missing):
        assert problem(response) == "session-not-found"
        documents.append({k: v for k, v in response.json().items() if k != "request_id"})
    assert documents[0] == documents[1]
    assert (await refresh(client, grace.refresh_token)).status_code == 200


@pytest.mark.parametrize("session_id", ["x", "%00", "-1", "1" * 20, "A" * 17, "é" * 16, "..%2f"])
async def test_a_malformed_id_is_4xx(client: Client, session_id: str) -> None:
    response = await end(client, await sign_up(client), session_id)
    assert response.status_code in {404, 422}


async def test_sessions_that_the_cap_ended_are_gone_from_the_list(client: Client) -> None:
    first = await sign_up(client)
    last = first
    for _ in range(20):
        last = await log_in(client, first)
    listed = await sessions_of(client, last)
    assert len(listed) == 20
    assert claims_of(first.access_token)["sid"] not in {s["id"] for s in listed}
    assert problem(await client.get("/auth/me", headers=first.authorization)) == "invalid-token"
