"""POST /auth/refresh: rotation, grace, reuse."""

import secrets
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine

from src.auth.models import User
from src.core.settings import Settings
from tests.conftest import PassTime
from tests.factories import bearer, log_in, problem, refresh, sign_up
from tests.servers import RedisServer
from tests.tokens import claims_of, header_of, signed

Client = httpx.AsyncClient

GRACE = timedelta(seconds=30)
RECOVERY = timedelta(hours=24)


def new_key() -> str:
    return secrets.token_urlsafe(16)


async def contents(server: RedisServer) -> dict[Any, Any]:
    """All sessions in Redis, as the server itself would write them to disk."""
    async with Redis.from_url(server.url) as raw:
        return {name: await raw.dump(name) for name in sorted(await raw.keys("auth:*"))}


async def test_a_refresh_token_is_exchanged_for_its_successor(client: Client) -> None:
    person = await sign_up(client)
    response = await refresh(client, person.refresh_token)
    assert response.status_code == 200
    successor = response.json()["refresh_token"]
    before, after = claims_of(person.refresh_token), claims_of(successor)
    assert after["gen"] == before["gen"] + 1
    assert (after["sid"], after["sub"]) == (before["sid"], before["sub"])
    assert after["jti"] != before["jti"]
    me = await client.get("/auth/me", headers=bearer(response.json()["access_token"]))
    assert me.json() == person.user


@pytest.mark.one_database
async def test_a_refresh_token_has_the_documented_form(client: Client) -> None:
    token = (await sign_up(client)).refresh_token
    assert header_of(token)["typ"] == "rt+jwt"
    claims = claims_of(token)
    assert set(claims) == {
        "iss", "aud", "sub", "sid", "jti", "gen", "pth", "type", "iat", "exp",
    }  # fmt: skip
    assert claims["aud"] == "latchkey-api/refresh"
    assert claims["type"] == "refresh"
    assert claims["gen"] == 0
    assert claims["exp"] - claims["iat"] == 7 * 86_400


@pytest.mark.one_database
async def test_a_retry_within_the_grace_gives_the_same_bytes_and_writes_nothing(
    client: Client,
    redis_server: RedisServer,
    pass_time: PassTime,
) -> None:
    person = await sign_up(client)
    first = await refresh(client, person.refresh_token)
    stored = await contents(redis_server)
    await pass_time(GRACE - timedelta(seconds=6))
    second = await refresh(client, person.refresh_token)
    assert second.status_code == 200
    assert second.json()["refresh_token"] == first.json()["refresh_token"]
    assert await contents(redis_server) == stored


@pytest.mark.one_database
async def test_the_window_of_grace_never_slides(client: Client, pass_time: PassTime) -> None:
    person = await sign_up(client)
    await refresh(client, person.refresh_token)
    await pass_time(GRACE / 2)
    assert (await refresh(client, person.refresh_token)).status_code == 200
    await pass_time(GRACE / 2 + timedelta(seconds=1))
    assert problem(await refresh(client, person.refresh_token)) == "refresh-token-reused"


async def test_replaying_a_spent_refresh_token_ends_its_session_and_no_other(
    client: Client,
    pass_time: PassTime,
) -> None:
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    successor = (await refresh(client, laptop.refresh_token)).json()["refresh_token"]
    await pass_time(GRACE)
    replay = await refresh(client, laptop.refresh_token)
    assert problem(replay) == "refresh-token-reused"
    assert replay.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert problem(await refresh(client, successor)) == "invalid-refresh-token"
    assert (await refresh(client, phone.refresh_token)).status_code == 200


@pytest.mark.one_database
async def test_a_token_two_generations_old_ends_its_session_at_once(client: Client) -> None:
    person = await sign_up(client)
    second = (await refresh(client, person.refresh_token)).json()["refresh_token"]
    third = (await refresh(client, second)).json()["refresh_token"]
    assert problem(await refresh(client, person.refresh_token)) == "refresh-token-reused"
    assert problem(await refresh(client, third)) == "invalid-refresh-token"


@pytest.mark.one_database
async def test_the_idempotency_key_rescues_an_answer_that_was_lost_for_hours(
    client: Client,
    pass_time: PassTime,
) -> None:
    person, key = await sign_up(client), new_key()
    lost = await refresh(client, person.refresh_token, key=key)
    await pass_time(RECOVERY - timedelta(minutes=1))
    retried = await refresh(client, person.refresh_token, key=key)
    assert retried.status_code == 200
    assert retried.json()["refresh_token"] == lost.json()["refresh_token"]
    await pass_time(timedelta(minutes=1))
    assert problem(await refresh(client, person.refresh_token, key=key)) == "refresh-token-reused"


@pytest.mark.one_database
async def test_another_key_does_not_rescue(client: Client, pass_time: PassTime) -> None:
    person = await sign_up(client)
    await refresh(client, person.refresh_token, key=new_key())
    await pass_time(GRACE)
    response = await refresh(client, person.refresh_token, key=new_key())
    assert problem(response) == "refresh-token-reused"


@pytest.mark.one_database
@pytest.mark.parametrize("key", ["short", "x" * 129, "with blanks in the middle of it"])
async def test_a_key_that_is_too_weak_is_422(client: Client, key: str) -> None:
    person = await sign_up(client)
    assert problem(await refresh(client, person.refresh_token, key=key)) == "invalid-request"
    assert (await refresh(client, person.refresh_token)).status_code == 200


@pytest.mark.one_database
async def test_a_session_that_is_not_used_ends(client: Client, pass_time: PassTime) -> None:
    person = await sign_up(client)
    await pass_time(timedelta(days=7, seconds=15))
    assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"


@pytest.mark.one_database
async def test_no_session_outlives_its_absolute_end(client: Client, pass_time: PassTime) -> None:
    person = await sign_up(client)
    signed_in_at = claims_of(person.refresh_token)["iat"]
    token = person.refresh_token
    for _ in range(4):
        await pass_time(timedelta(days=6, hours=23))
        token = (await refresh(client, token)).json()["refresh_token"]
        assert claims_of(token)["exp"] <= signed_in_at + 30 * 86_400
    await pass_time(timedelta(days=2, hours=5))
    assert problem(await refresh(client, token)) == "invalid-refresh-token"


@pytest.mark.one_database
async def test_the_oldest_session_ends_when_there_are_too_many(client: Client) -> None:
    oldest = await sign_up(client)
    others = [await log_in(client, oldest) for _ in range(20)]
    assert problem(await refresh(client, oldest.refresh_token)) == "invalid-refresh-token"
    assert (await refresh(client, others[0].refresh_token)).status_code == 200


@pytest.mark.one_database
async def test_redis_holds_no_token_and_every_key_expires(client: Client, redis: Redis) -> None:
    person = await sign_up(client)
    token = (await refresh(client, person.refresh_token, key=new_key())).json()["refresh_token"]
    jtis = {claims_of(person.refresh_token)["jti"], claims_of(token)["jti"]}
    names = await redis.keys("*")
    user_id = person.user["id"]
    assert sorted(names) == [
        f"auth:{{{user_id}}}:i", f"auth:{{{user_id}}}:s:{claims_of(token)['sid']}",
    ]  # fmt: skip
    for name in names:
        assert await redis.ttl(name) > 0
    values = await redis.hgetall(names[0] if ":s:" in names[0] else names[1])
    assert set(values) == {"n", "c", "r", "a", "k", "d", "ip"}
    assert all(len(value) <= 64 for value in values.values())
    assert not jtis & set(values.values())


@pytest.mark.one_database
async def test_a_flushed_redis_ends_sessions_and_grants_nothing(
    client: Client,
    redis: Redis,
) -> None:
    person = await sign_up(client)
    await redis.flushall()
    assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"
    assert not await redis.keys("*")


@pytest.mark.parametrize("gone", ["disabled", "deleted"])
async def test_nobody_refreshes_for_a_user_who_is_gone(
    client: Client,
    engine: AsyncEngine,
    gone: str,
) -> None:
    person = await sign_up(client)
    async with engine.begin() as connection:
        statement: Any = update(User).values(is_active=False)
        await connection.execute(delete(User) if gone == "deleted" else statement)
    assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "invalid-request"),
        ({"refresh_token": None}, "invalid-request"),
        ({"refresh_token": 7}, "invalid-request"),
        ({"refresh_token": ["x"]}, "invalid-request"),
        ({"refresh_token": "x", "user_id": "y"}, "invalid-request"),
        ({"refresh_token": ""}, "invalid-refresh-token"),
        ({"refresh_token": "x" * 5000}, "invalid-refresh-token"),
        ({"refresh_token": "é.é.é"}, "invalid-refresh-token"),
        ({"refresh_token": "a.b.c.d.e"}, "invalid-refresh-token"),
    ],
)
async def test_bad_input_is_4xx(client: Client, body: dict[str, object], expected: str) -> None:
    assert problem(await client.post("/auth/refresh", json=body)) == expected


@pytest.mark.one_database
async def test_a_forged_envelope_reaches_no_redis(
    client: Client,
    redis: Redis,
    settings: Settings,
) -> None:
    person = await sign_up(client)
    claims, header = claims_of(person.refresh_token), header_of(person.refresh_token)
    secret = settings.JWT_REFRESH_SECRET_KEY.get_secret_value()
    forgeries = [
        person.access_token,
        signed(claims, header, secret="another secret of more than 32 bytes"),
        signed(claims, {**header, "alg": "none"}, secret=secret),
        signed(claims, {**header, "kid": "other"}, secret=secret),
        signed(claims, {**header, "crit": ["exp"]}, secret=secret),
        signed(claims, {"alg": "HS256", "typ": "JWT"}, secret=secret),
        *(
            signed({**claims, **change}, header, secret=secret)
            for change in (
                {"iss": "x"},
                {"aud": "latchkey-api"},
                {"type": "access"},
                {"gen": -1},
                {"gen": 2**60},
                {"gen": "0"},
                {"gen": 0.0},
                {"gen": True},
                {"sub": 7},
                {"sub": "x"},
                {"sid": "*"},
                {"sid": ""},
                {"jti": None},
                {"pth": "x"},
                {"exp": claims["iat"] - 60},
                {"exp": str(claims["exp"])},
                {"exp": None},
            )
        ),
        *(
            signed({k: v for k, v in claims.items() if k != missing}, header, secret=secret)
            for missing in claims
        ),
    ]
    calls = (await redis.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
    for forgery in forgeries:
        assert problem(await refresh(client, forgery)) == "invalid-refresh-token"
    after = (await redis.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
    assert after == calls
    assert (await refresh(client, person.refresh_token)).status_code == 200


async def test_a_token_with_a_wrong_identity_but_our_signature_ends_the_session(
    client: Client,
    settings: Settings,
) -> None:
    """Only somebody with the signing key can make one: the session is not safe any more."""
    person = await sign_up(client)
    claims, header = claims_of(person.refresh_token), header_of(person.refresh_token)
    secret = settings.JWT_REFRESH_SECRET_KEY.get_secret_value()
    forged = signed({**claims, "jti": "A" * 22}, header, secret=secret)
    assert problem(await refresh(client, forged)) == "invalid-refresh-token"
    assert problem(await refresh(client, person.refresh_token)) == "invalid-refresh-token"


@pytest.mark.one_database
async def test_one_refresh_is_one_round_trip(client: Client, redis: Redis) -> None:
    person = await sign_up(client)
    token = (await refresh(client, person.refresh_token)).json()["refresh_token"]
    await redis.config_resetstat()
    assert (await refresh(client, token)).status_code == 200
    stats = await redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 1
    assert "cmdstat_eval" not in stats
