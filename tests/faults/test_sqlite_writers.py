"""Forty people who write to one SQLite at once, through two processes: nobody is turned away."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest

from tests.factories import Person, sign_up
from tests.faults.figures import note, spread
from tests.faults.ledger import workers_on
from tests.servers import running_redis

pytestmark = pytest.mark.faults

WRITERS = 40
ROUNDS = 5


@dataclass
class Writes:
    """What was answered, what the answers acknowledged, and the seconds that each took."""

    person: Person
    client: httpx.AsyncClient
    answers: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    async def send(self, method: str, path: str, **document: object) -> dict[str, dict[str, str]]:
        started = time.perf_counter()
        response = await self.client.request(
            method,
            path,
            json=document or None,
            headers=self.person.authorization,
        )
        self.waits.append(time.perf_counter() - started)
        self.answers[response.status_code] += 1
        assert response.is_success, response.text
        answer: dict[str, dict[str, str]] = response.json()
        return answer

    async def round(self) -> None:
        """Open a session, go on in it, rename it, note something and correct that."""
        opened = await self.send("POST", "/chat/session/new", initial_message="My knee hurts.")
        session = opened["session"]["id"]
        await self.send("POST", "/chat/message", session_id=session, message="Since yesterday.")
        await self.send("PATCH", f"/chat/session/{session}", title="Knee")
        noted = await self.send("POST", "/anatomy/records", part="femur", kind="symptom")
        await self.send("PATCH", f"/anatomy/records/{noted['id']}", note="sore")


async def writing(client: httpx.AsyncClient) -> Writes:
    """Sign up, then write, a few rounds of it."""
    started = time.perf_counter()
    person = await sign_up(client)
    writes = Writes(person, client, waits=[time.perf_counter() - started])
    for _ in range(ROUNDS):
        await writes.round()
    return writes


async def test_40_writers_at_once_all_get_into_sqlite(database_url: str) -> None:
    with running_redis() as redis_server:
        async with workers_on(database_url, redis_server.url, count=2) as workers:
            everyone = await asyncio.gather(*(writing(workers.next) for _ in range(WRITERS)))
            for writes in everyone:
                records = await writes.send("GET", "/anatomy/records")
                sessions = await writes.send("GET", "/chat/sessions")
                assert len(records["records"]) == len(sessions["sessions"]) == ROUNDS
    waits = [seconds for writes in everyone for seconds in writes.waits]
    answers = sum((writes.answers for writes in everyone), Counter[int]())
    note(
        "40 SQLite writers",
        '0 "database is locked"',
        f"{len(waits)} requests, none refused: {dict(answers)}, {spread(waits)}",
    )
