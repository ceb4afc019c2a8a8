"""docs/redis.md tells the truth about what is in Redis."""

import re
from pathlib import Path
from uuid import UUID

import httpx
from redis.asyncio import Redis

from src.auth.store import keys
from tests.conftest import REPOSITORY
from tests.factories import refresh, sign_up

DOCUMENT = (REPOSITORY / "docs/redis.md").read_text()
LUA = REPOSITORY / "src/auth/store/lua"


def commands_of(script: Path) -> set[str]:
    return set(re.findall(r"redis\.call\('([A-Z]+)'", script.read_text()))


def test_every_key_is_documented() -> None:
    user_id = UUID(int=0)
    for key in (
        keys.session(user_id, "<session id>"),
        keys.session_index(user_id),
        keys.revocations(),
        keys.guesses("<address>"),
        keys.guesses_at_account("<address>", "<account>"),
        keys.signups("<address>"),
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
