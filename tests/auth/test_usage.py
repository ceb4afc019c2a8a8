"""Limits on what people and customers do that costs: each has theirs, over all workers."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from src.anatomy.records import RECORDS
from src.auth.service_tokens import generate_service_token
from src.chat.sayings import MESSAGES
from src.context.service import MEMORIES
from src.core.errors import LimitReached
from src.core.settings import Settings
from src.core.usage import Limit
from tests.auth.test_limits import HERE, Instance, instance, instances, retry_after
from tests.conftest import MovableClock, PassTime
from tests.factories import bearer, sign_up
from tests.servers import running_redis

pytestmark = pytest.mark.one_database

__all__ = ["instances"]  # a fixture

Client = httpx.AsyncClient
Instances = tuple[Instance, Instance]

AT_ONCE = 40
MESSAGE = {"message": "What is a spleen?"}
USES: list[tuple[str, dict[str, Any], Limit]] = [
    ("/chat/message", MESSAGE, MESSAGES),
    ("/chat/session/new", {"title": "a"}, MESSAGES),
    ("/anatomy/records", {"part": "lung", "kind": "note", "note": "a"}, RECORDS),
    ("/v2/context/memories", {"user_id": "1", "text": "a"}, MEMORIES),
]


async def use_up(worker: Instance, limit: Limit, owner: str) -> int:
    """More uses than there are, many at once; how many were admitted."""

    async def is_admitted() -> bool:
        try:
            await worker.state["count_use"](limit, owner=owner, headers={})
        except LimitReached:
            return False
        return True

    admitted = 0
    for _ in range(0, limit.quota + AT_ONCE, AT_ONCE):
        admitted += sum(await asyncio.gather(*(is_admitted() for _ in range(AT_ONCE))))
    return admitted


async def users(
    worker: Instance, settings: Settings, path: str
) -> list[tuple[str, dict[str, str]]]:
    """Two who may use a route: who they are, and how they say so."""
    if path.startswith("/v2/"):
        return [(who, bearer(generate_service_token(who, settings=settings))) for who in "ab"]
    people = [await sign_up(worker.at(HERE)) for _ in range(2)]
    return [(person.user["id"], person.authorization) for person in people]


@pytest.mark.parametrize(("path", "body", "limit"), USES, ids=[path for path, *_ in USES])
async def test_who_did_something_too_often_waits_and_nobody_else(
    instances: Instances,
    settings: Settings,
    pass_time: PassTime,  # it comes with empty stores
    path: str,
    body: dict[str, Any],
    limit: Limit,
) -> None:
    (owner, authorization), (_, others) = await users(instances[0], settings, path)
    here = instances[1].at(HERE)
    assert await use_up(instances[0], limit, owner) == limit.quota

    refused = await here.post(path, json=body, headers=authorization)
    assert 0 < retry_after(refused) <= limit.window.total_seconds()
    assert refused.headers["RateLimit"].startswith(f'"{limit.name}";r=0;t=')
    other = await here.post(path, json=body, headers=others)
    assert other.is_success
    assert other.headers["RateLimit"].startswith(f'"{limit.name}";r={limit.quota - 1};t=')

    await pass_time(limit.window + timedelta(seconds=1))
    assert (await here.post(path, json=body, headers=authorization)).is_success


async def test_reading_is_not_counted(instances: Instances, client: Client) -> None:
    assert client
    here = instances[0].at(HERE)
    person = await sign_up(here)
    for path in ("/chat/sessions", "/anatomy/records", "/auth/me"):
        answer = await here.get(path, headers=person.authorization)
        assert answer.is_success
        assert "RateLimit" not in answer.headers


async def test_without_redis_people_talk_on_and_nothing_is_counted(
    settings: Settings, session_clock: MovableClock, client: Client
) -> None:
    person = await sign_up(client)
    with running_redis() as server:
        alone = settings.model_copy(update={"REDIS_URL": server.url})
        async with instance(alone, session_clock) as worker:
            here = worker.at(HERE)
            counted = await here.post("/chat/message", json=MESSAGE, headers=person.authorization)
            server.kill()
            free = await here.post("/chat/message", json=MESSAGE, headers=person.authorization)
    assert (counted.status_code, free.status_code) == (200, 200)
    assert "RateLimit" in counted.headers
    assert "RateLimit" not in free.headers


async def test_redis_holds_nobodys_name_and_forgets_by_itself(
    instances: Instances, client: Client, redis: Redis
) -> None:
    assert client
    person = await sign_up(instances[0].at(HERE))
    await instances[0].at(HERE).post("/chat/message", json=MESSAGE, headers=person.authorization)
    (name,) = await redis.keys("auth:{use:*")
    assert str(name).endswith("}:message")
    assert person.user["id"] not in str(name)
    assert 0 < await redis.ttl(name) <= MESSAGES.window.total_seconds()
