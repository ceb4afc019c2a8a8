"""What holds for every route of the OpenAPI document. A new route is covered by itself."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from redis.asyncio import Redis
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from src.auth.dependencies import RECORDED
from src.auth.models import ADMIN, User
from src.core.direct import DirectRoute
from src.tables import metadata
from tests.core.test_strangers import made_by, operations, takes_an_id, with_id
from tests.factories import Person, log_in, problem, sign_up

pytestmark = pytest.mark.one_database

NO_IDS = ["1" + "0" * 20, "-1", "%00", "' OR 1=1--", "a" * 8_000]
NO_LIMITS = ["1000000000", "0", "-1", "1e2", "9" * 5_000, "NaN", "", "%00", "1.5", "true"]
FOREIGN_HOST = "evil.example"


@pytest.fixture
async def root(client: httpx.AsyncClient, engine: AsyncEngine) -> Person:
    """Whom no route turns away."""
    person = await sign_up(client)
    async with engine.begin() as connection:
        await connection.execute(update(User).values(roles=["user", ADMIN]))
    return await log_in(client, person)


def lists(app: FastAPI) -> Iterator[str]:
    """The paths that take a limit."""
    for path, methods in app.openapi()["paths"].items():
        parameters = methods.get("get", {}).get("parameters", [])
        if any(parameter["name"] == "limit" for parameter in parameters):
            yield path


def test_what_happens_under_auth_and_admin_is_in_the_history(app: FastAPI) -> None:
    """A route whose router forgot it would be logged, and recorded nowhere."""
    # A direct route takes no such dependency: refresh records by itself, the others only read.
    solved = [r for r in app.routes if isinstance(r, APIRoute) and not isinstance(r, DirectRoute)]
    recorded = [route for route in solved if route.path.startswith(("/auth/", "/admin/"))]
    assert len(recorded) > 10
    assert [route.path for route in recorded if RECORDED not in route.dependencies] == []


def addressed(path: str, ids: dict[str, str]) -> str:
    """A path with an id of something that is there."""
    of_all = {"/anatomy/parts/": "lung", "/anatomy/systems/": "respiratory"}
    return with_id(path, (ids | of_all)[path.partition("{")[0]]) if "{" in path else path


async def test_an_id_that_is_none_is_refused_by_every_route(
    app: FastAPI, client: httpx.AsyncClient, root: Person
) -> None:
    asked = 0
    for method, path in operations(app):
        for value in NO_IDS if takes_an_id(path) else []:
            address = with_id(path, value)
            answer = await client.request(method, address, headers=root.authorization)
            assert answer.status_code in (404, 422), (method, path, value)
            assert problem(answer)
            assert len(answer.content) < 4096
            asked += 1
    assert asked >= 10 * len(NO_IDS)


async def test_a_limit_out_of_range_is_refused_by_every_list(
    app: FastAPI, client: httpx.AsyncClient, root: Person
) -> None:
    ids = await made_by(app, client, root)
    found = [*lists(app)]
    assert len(found) >= 7
    for path in found:
        for value in NO_LIMITS:
            address = f"{addressed(path, ids)}?limit={value}"
            answer = await client.get(address, headers=root.authorization)
            assert (answer.status_code, problem(answer)) == (422, "invalid-request"), (path, value)


async def kept(engine: AsyncEngine, redis: Redis) -> dict[str, Any]:
    """Every row and every key."""
    raw: Any = redis
    names = sorted(await raw.keys("*"))
    left = {name: await _content(raw, name) for name in names}
    async with engine.connect() as connection:
        for table in metadata.sorted_tables:
            rows = await connection.execute(select(table))
            left[table.name] = sorted(map(repr, rows))
    return left


async def _content(redis: Any, name: str) -> object:
    match await redis.type(name):
        case "hash":
            return await redis.hgetall(name)
        case "zset":
            return await redis.zrange(name, 0, -1, withscores=True)
        case "stream":
            return await redis.xrange(name)
        case _:
            return await redis.get(name)


async def test_reading_changes_nothing(
    app: FastAPI, client: httpx.AsyncClient, root: Person, engine: AsyncEngine, redis: Redis
) -> None:
    ids = await made_by(app, client, root)
    before = await kept(engine, redis)
    assert len(before["users"]) == 1
    assert any(name.startswith("auth:{") for name in before)
    read = 0
    for path, methods in app.openapi()["paths"].items():
        if "get" not in methods:
            continue
        address = addressed(path, ids)
        for method in ("GET", "HEAD"):
            answer = await client.request(method, address, headers=root.authorization)
            read += answer.is_success
    assert read >= 30
    assert await kept(engine, redis) == before


async def test_the_host_of_a_request_leads_nowhere(
    app: FastAPI, client: httpx.AsyncClient, root: Person
) -> None:
    """No answer redirects, and no header of one repeats what the request said of the host."""
    spoofed = {"Host": FOREIGN_HOST, "X-Forwarded-Host": FOREIGN_HOST, "Forwarded": "host=evil"}
    pages = ["/", "/docs", "/docs/", "//evil.example", "/auth/me/", "/healthz/", "/nowhere"]
    for path in [*app.openapi()["paths"], *pages]:
        answer = await client.get(path, headers={**spoofed, **root.authorization})
        assert not answer.is_redirect, path
        assert "location" not in answer.headers, path
        assert "evil" not in str(answer.headers), path
