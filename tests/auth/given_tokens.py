"""Refresh tokens in every situation in which one may come back, each with its Idempotency-Key."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
from redis.asyncio import Redis

from tests.auth.test_refresh import new_key
from tests.conftest import PassTime
from tests.factories import refresh, sign_up
from tests.tokens import claims_of

Client = httpx.AsyncClient
IDLE = timedelta(days=7)
A_MOMENT = timedelta(seconds=6)


def token_in(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.json()["refresh_token"])


def session_key(token: str) -> str:
    claims = claims_of(token)
    return f"auth:{{{claims['sub']}}}:s:{claims['sid']}"


async def given_current(client: Client, _: PassTime, __: Redis) -> tuple[str, str | None]:
    return (await sign_up(client)).refresh_token, None


async def given_expired(client: Client, pass_time: PassTime, _: Redis) -> tuple[str, str | None]:
    token = (await sign_up(client)).refresh_token
    await pass_time(IDLE + timedelta(seconds=15))
    return token, None


def given_spent(after: timedelta, *, key: str) -> Callable[..., Awaitable[tuple[str, str | None]]]:
    """A token that was exchanged a while ago and comes again, with `key` "none", "same", "new"."""

    async def given(client: Client, pass_time: PassTime, _: Redis) -> tuple[str, str | None]:
        token, first = (await sign_up(client)).refresh_token, new_key()
        token_in(await refresh(client, token, key=first))
        await pass_time(after)
        return token, {"none": None, "same": first, "new": new_key()}[key]

    return given


async def given_older(client: Client, _: PassTime, __: Redis) -> tuple[str, str | None]:
    token, key = (await sign_up(client)).refresh_token, new_key()
    second = token_in(await refresh(client, token, key=key))
    token_in(await refresh(client, second, key=key))
    return token, key


def given_lost_writes(count: int) -> Callable[..., Awaitable[tuple[str, str | None]]]:
    """A token that is ahead of a Redis that lost its last rotations in a failover."""

    async def given(client: Client, _: PassTime, redis: Redis) -> tuple[str, str | None]:
        token = (await sign_up(client)).refresh_token
        name = session_key(token)
        before: Any = await redis.hgetall(name)
        for _number in range(count):
            token = token_in(await refresh(client, token))
        await redis.hset(name, mapping=before)
        return token, None

    return given
