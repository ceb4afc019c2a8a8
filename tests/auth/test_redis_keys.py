"""docs/redis.md tells the truth about what is in Redis."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from src.app import create_app
from src.auth.store import keys
from src.core.settings import Settings
from tests.conftest import REPOSITORY, make_settings, running
from tests.factories import log_in, refresh, sign_up
from tests.servers import RedisServer

DOCUMENT = (REPOSITORY / "docs/redis.md").read_text()
LUA = REPOSITORY / "src/auth/store/lua"


def commands_of(script: Path) -> set[str]:
    return set(re.findall(r"redis\.call\('([A-Z]+)'", script.read_text()))


def test_every_key_is_documented() -> None:
    user_id = UUID(int=0)
    for key in (
        keys.session(user_id, "<session id>"),
        keys.session_index(user_id),
        keys.ended_lately(user_id, "<cause>"),
        keys.revocations(),
        keys.guesses("<address>"),
        keys.guesses_at_account("<address>", "<account>"),
        keys.signups("<address>"),
        keys.uses("<owner>", "<limit>"),
    ):
        assert key.replace(str(user_id), "<user id>") in DOCUMENT


def test_every_command_of_the_scripts_is_documented() -> None:
    commands = set().union(*(commands_of(script) for script in LUA.glob("*.lua")))
    assert len(commands) > 5
    assert all(f"`{command}`" in DOCUMENT for command in commands)


async def test_every_field_of_a_session_is_documented(
    client: httpx.AsyncClient,
    redis: Redis,
) -> None:
    person = await sign_up(client)
    await refresh(client, person.refresh_token)
    (name,) = await redis.keys("auth:*:s:*")
    for field in await redis.hgetall(name):
        assert f"| `{field!s}` |" in DOCUMENT


@pytest.mark.one_database
async def test_the_documented_rights_are_enough_and_open_nothing_else(
    client: httpx.AsyncClient,
    settings: Settings,
    redis: Redis,
    redis_server: RedisServer,
) -> None:
    assert client  # empties the stores
    root: Any = redis
    (rights,) = re.findall(r"^ +ACL SETUSER latchkey on >… (.+)$", DOCUMENT, re.MULTILINE)
    await root.execute_command(
        "ACL", "SETUSER", "latchkey", "reset", "on", ">a-password", *rights.split(),
        "~test:*",  # the clock of tests, which scripts read
    )  # fmt: skip
    url = redis_server.url.replace("unix://", "unix://latchkey:a-password@")
    limited = make_settings(DATABASE_URL=settings.DATABASE_URL, REDIS_URL=url, RATE_LIMITS="on")
    try:
        async with running(create_app(limited)) as worker:
            person = await log_in(worker, await sign_up(worker))
            assert (await refresh(worker, person.refresh_token)).status_code == 200
            for method, path in (("GET", "sessions"), ("GET", "revocations"), ("POST", "logout")):
                answer = await worker.request(method, f"/auth/{path}", headers=person.authorization)
                assert answer.is_success, answer.text
        async with Redis.from_url(url) as connection:
            ours: Any = connection
            for refused in ("FLUSHALL", "CONFIG GET *", "KEYS *", "GET other", "SAVE"):
                with pytest.raises(NoPermissionError):
                    await ours.execute_command(*refused.split())
    finally:
        await root.execute_command("ACL", "DELUSER", "latchkey")
