"""The application's clock an hour fast or slow, beside a Redis whose clock is right."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from tests.conftest import MovableClock
from tests.factories import Person, bearer, log_in, refresh, sign_up
from tests.faults.figures import note
from tests.processes.people import changing_password, logging_out

pytestmark = pytest.mark.faults

HOUR = timedelta(hours=1)
DIRECTIONS = {"fast": HOUR, "slow": -HOUR}
FORGETTING_SECONDS = 0.6  # workers look twice in that time what they may forget


async def accepts(client: httpx.AsyncClient, access_token: str) -> bool:
    status = (await client.get("/auth/me", headers=bearer(access_token))).status_code
    assert status in (200, 401)
    return status == 200


async def refreshed(client: httpx.AsyncClient, person: Person) -> Person:
    """The same session with its next tokens. Raises: AssertionError when it ended."""
    response = await refresh(client, person.refresh_token)
    assert response.status_code == 200, response.text
    tokens = response.json()
    return Person(
        person.email,
        person.password,
        tokens["access_token"],
        tokens["refresh_token"],
        person.user,
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_sessions_outlive_a_wrong_clock_and_access_tokens_do_not(
    client: httpx.AsyncClient, session_clock: MovableClock, direction: str
) -> None:
    before = await sign_up(client)
    session_clock.passed = DIRECTIONS[direction]
    assert not await accepts(client, before.access_token)
    meanwhile = await refreshed(client, before)
    newcomer = await sign_up(client)
    assert await accepts(client, meanwhile.access_token)
    assert await accepts(client, newcomer.access_token)
    session_clock.passed = timedelta()
    assert not await accepts(client, meanwhile.access_token)
    for each in (meanwhile, newcomer):
        assert await accepts(client, (await refreshed(client, each)).access_token)
    note(
        f"clock an hour {direction}, and right again",
        "no access token outlives its expiry; sessions go on, with a refresh",
        "as promised",
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_who_was_logged_out_stays_out_by_any_clock(
    client: httpx.AsyncClient, session_clock: MovableClock, direction: str
) -> None:
    ended_before = await sign_up(client)
    await logging_out(client, ended_before)
    session_clock.passed = DIRECTIONS[direction]
    ended_meanwhile = await sign_up(client)
    await logging_out(client, ended_meanwhile)
    await asyncio.sleep(FORGETTING_SECONDS)
    assert not await accepts(client, ended_meanwhile.access_token)
    session_clock.passed = timedelta()
    await asyncio.sleep(FORGETTING_SECONDS)
    for person in (ended_before, ended_meanwhile):
        assert not await accepts(client, person.access_token)
        assert (await refresh(client, person.refresh_token)).status_code == 401


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_a_changed_password_ends_the_older_tokens_alone_by_any_clock(
    client: httpx.AsyncClient, session_clock: MovableClock, direction: str
) -> None:
    session_clock.passed = DIRECTIONS[direction]
    person = await sign_up(client)
    elsewhere = await log_in(client, person)
    changed = (await changing_password(client, person)).json()
    await asyncio.sleep(FORGETTING_SECONDS)
    assert await accepts(client, changed["access_token"])
    for older in (person, elsewhere):
        assert not await accepts(client, older.access_token)
