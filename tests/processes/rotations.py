"""Signing keys rotated under the hands of running workers, and people who go on meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from src.auth.key_file import KeyEntry, KeyFile, read_key_file
from src.core.clock import utc_now
from src.first_run.key_rotation import Kind, rotated, write_key_file
from tests.factories import Person, bearer, refresh
from tests.processes.workers import Workers
from tests.tokens import header_of

LEARNT_SECONDS = 30.0
PAUSE_SECONDS = 0.02


def kid_of(token: str) -> str:
    return str(header_of(token)["kid"])


class Rotation:
    """The file of keys of some workers, which their environment's keys came before."""

    def __init__(self, path: Path, workers: Workers, person: Person, *, access_ttl: int) -> None:
        self._path = path
        self._workers = workers
        # Access keys are of ES256, so that what a worker has learnt can be seen from outside.
        self._access = Kind("ES256", timedelta(seconds=access_ttl), kid_of(person.access_token))
        self._refresh = Kind("HS256", timedelta(days=30), kid_of(person.refresh_token))

    async def rotate(self) -> None:
        """What `secrets rotate` does, long after the last time; every worker has learnt it then."""
        file = read_key_file(self._path)
        known = KeyFile(access=_long_known(file.access), refresh=_long_known(file.refresh))
        after = rotated(known, access=self._access, refresh=self._refresh, now=utc_now())
        write_key_file(self._path, after)
        public = {key.kid for key in after.access if key.private_key is not None}
        await self._learnt(public)

    async def _learnt(self, public: set[str]) -> None:
        async with asyncio.timeout(LEARNT_SECONDS):
            for client in self._workers.clients:
                while await _published(client) != public:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(PAUSE_SECONDS)

    async def start_over(self) -> None:
        """Leave the workers with the keys of their environment, as they were found."""
        write_key_file(self._path, KeyFile())
        await self._learnt(set())

    def end_retiring_in(self, seconds: int) -> float:
        """Shorten the rest of the retiring keys' lives; when it is over, seconds of the clock."""
        end = int(utc_now().timestamp()) + seconds
        file = read_key_file(self._path)
        shortened = KeyFile(
            access=_until(file.access, end),
            refresh=_until(file.refresh, end),
        )
        write_key_file(self._path, shortened)
        return end


@dataclass
class Traffic:
    """What some people did without a pause."""

    answers: int = 0
    failures: list[str] = field(default_factory=list)
    kids: set[str] = field(default_factory=set)
    access_tokens: list[str] = field(default_factory=list)

    def count(self, response: httpx.Response) -> None:
        self.answers += 1
        if response.status_code != httpx.codes.OK:
            self.failures.append(f"{response.status_code} {response.text}")

    async def more(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = self.answers + count
        async with asyncio.timeout(LEARNT_SECONDS):
            while self.answers < wanted and not self.failures:  # noqa: ASYNC110 - of other tasks
                await asyncio.sleep(PAUSE_SECONDS)

    async def go_on(self, person: Person, workers: Workers) -> None:
        """Read and refresh in turn, each at the next worker."""
        access_token, refresh_token = person.access_token, person.refresh_token
        while True:
            self.count(await workers.next.get("/auth/me", headers=bearer(access_token)))
            renewed = await refresh(workers.next, refresh_token)
            self.count(renewed)
            access_token = renewed.json()["access_token"]
            refresh_token = renewed.json()["refresh_token"]
            self.kids.add(kid_of(access_token))
            self.access_tokens.append(access_token)
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def traffic_of(people: list[Person], workers: Workers) -> AsyncIterator[Traffic]:
    traffic = Traffic()
    tasks = [asyncio.create_task(traffic.go_on(person, workers)) for person in people]
    try:
        yield traffic
    finally:
        ended = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in ended:
        task.result()  # raises what ended it too early


async def _published(client: httpx.AsyncClient) -> set[str]:
    answer = await client.get("/.well-known/jwks.json")
    return {key["kid"] for key in answer.json()["keys"]}


def _long_known(keys: tuple[KeyEntry, ...]) -> tuple[KeyEntry, ...]:
    return tuple(key.model_copy(update={"published_at": 0}) for key in keys)


def _until(keys: tuple[KeyEntry, ...], end: int) -> tuple[KeyEntry, ...]:
    return tuple(
        key.model_copy(update={"not_after": end}) if key.status == "retiring" else key
        for key in keys
    )
