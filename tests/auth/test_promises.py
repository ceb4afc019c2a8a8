"""What must hold, whatever happens: the ten promises of docs/promises.md, each by one test."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from src.app import create_app
from src.core.settings import Settings
from tests.auth.bad_tokens import bad_tokens, expired_token
from tests.auth.given_tokens import (
    A_MOMENT,
    given_current,
    given_expired,
    given_lost_writes,
    given_older,
    given_spent,
    session_key,
    token_in,
)
from tests.auth.redis_contents import calls, index_of, stored_text
from tests.auth.test_refresh import GRACE, RECOVERY, contents, new_key
from tests.auth.test_revocations import refused_soon, status_of
from tests.conftest import REPOSITORY, PassTime, make_settings, running
from tests.factories import Person, bearer, log_in, problem, refresh, sign_up
from tests.faults.proxy import CuttingProxy, Moment
from tests.processes.people import changing_password, logging_out, logging_out_everywhere
from tests.servers import RedisServer, tcp_redis
from tests.tokens import claims_of, header_of, signed

Client = httpx.AsyncClient
PARALLEL = 200
ROUNDS = 10


async def expect_nothing_refreshes(client: Client, tokens: Iterable[str]) -> None:
    for token in tokens:
        assert (await refresh(client, token)).status_code == 401


async def test_promise_1_there_is_one_token_for_each_generation(
    client: Client,
    redis: Redis,
) -> None:
    person, key = await sign_up(client), new_key()
    current = person.refresh_token
    jtis = {0: claims_of(current)["jti"]}
    for generation in range(1, 9):
        answers = await asyncio.gather(*(refresh(client, current) for _ in range(4)))
        await redis.script_flush()
        answers += [await refresh(client, current, key=key)]
        (successor,) = {token_in(answer) for answer in answers}
        claims = claims_of(successor)
        assert (claims["sid"], claims["gen"]) == (claims_of(current)["sid"], generation)
        assert await redis.hget(session_key(successor), "n") == str(generation)
        jtis[generation], current = claims["jti"], successor
    assert len(set(jtis.values())) == 9


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(given_current, 200, id="current"),
        pytest.param(given_expired, 401, id="expired"),
        pytest.param(given_spent(GRACE - A_MOMENT, key="none"), 200, id="spent, in the grace"),
        pytest.param(given_spent(GRACE, key="none"), 401, id="spent, late"),
        pytest.param(given_spent(GRACE, key="same"), 200, id="late, with its key"),
        pytest.param(given_spent(GRACE, key="new"), 401, id="late, with another key"),
        pytest.param(given_spent(RECOVERY, key="same"), 401, id="too late for its key"),
        pytest.param(given_older, 401, id="two behind"),
        pytest.param(given_lost_writes(1), 200, id="one ahead"),
        pytest.param(given_lost_writes(2), 401, id="two ahead"),
    ],
)
async def test_promise_2_a_token_is_accepted_if_and_only_if_a_rule_says_so(
    client: Client,
    redis: Redis,
    pass_time: PassTime,
    given: Callable[..., Awaitable[tuple[str, str | None]]],
    expected: int,
) -> None:
    token, key = await given(client, pass_time, redis)
    assert (await refresh(client, token, key=key)).status_code == expected


async def reuse(client: Client, person: Person) -> None:
    assert problem(await refresh(client, person.refresh_token)) == "refresh-token-reused"


@pytest.mark.parametrize("end", [logging_out, logging_out_everywhere, changing_password, reuse])
async def test_promise_3_nothing_of_an_ended_session_is_accepted_anywhere(
    client: Client,
    settings: Settings,
    end: Callable[[Client, Person], Awaitable[Any]],
) -> None:
    person = await sign_up(client)
    tokens = [person.refresh_token]
    for _ in range(2):
        tokens.append(token_in(await refresh(client, tokens[-1])))
    async with running(create_app(settings)) as other:
        assert await status_of(other, person) == 200
        await end(client, person)
        assert await status_of(client, person) == 401
        assert await refused_soon(other, person)
        for worker in (client, other):
            await expect_nothing_refreshes(worker, tokens)


async def test_promise_3_nothing_refreshes_after_redis_has_lost_its_data(
    client: Client,
    redis: Redis,
) -> None:
    person = await sign_up(client)
    tokens = [person.refresh_token, token_in(await refresh(client, person.refresh_token))]
    await redis.flushall()
    await expect_nothing_refreshes(client, tokens)
    assert not await redis.keys("auth:*:s:*")


async def test_promise_4_reuse_in_one_session_changes_no_other(
    client: Client,
    redis_server: RedisServer,
    redis: Redis,
) -> None:
    laptop, stranger = await sign_up(client), await sign_up(client)
    phone = await log_in(client, laptop)
    token_in(await refresh(client, token_in(await refresh(client, laptop.refresh_token))))
    others = [session_key(person.refresh_token) for person in (phone, stranger)]
    scores = await index_of(redis, laptop)
    before = await contents(redis_server)
    await reuse(client, laptop)
    after = await contents(redis_server)
    assert [after[name.encode()] for name in others] == [before[name.encode()] for name in others]
    del scores[claims_of(laptop.refresh_token)["sid"]]
    assert await index_of(redis, laptop) == scores
    for person in (phone, stranger):
        assert (await refresh(client, person.refresh_token)).status_code == 200


async def test_promise_5_no_token_outlives_the_absolute_end_and_replays_write_nothing(
    client: Client,
    redis_server: RedisServer,
    pass_time: PassTime,
) -> None:
    token = (await sign_up(client)).refresh_token
    end = claims_of(token)["iat"] + 30 * 86_400
    for _ in range(5):
        spent, token = token, token_in(await refresh(client, token))
        assert claims_of(token)["exp"] <= end
        stored = await contents(redis_server)
        assert token_in(await refresh(client, spent)) == token
        forged = signed(claims_of(token), header_of(token), secret="x" * 48)
        assert (await refresh(client, forged)).status_code == 401
        assert await contents(redis_server) == stored
        await pass_time(timedelta(days=5, hours=23))
    await pass_time(timedelta(hours=6))
    assert (await refresh(client, token)).status_code == 401


async def test_promise_6_redis_holds_no_token_every_key_expires_in_one_slot(
    client: Client,
    redis: Redis,
) -> None:
    laptop = await sign_up(client)
    phone = await log_in(client, laptop)
    tokens = [laptop.refresh_token, phone.refresh_token]
    for _ in range(3):
        tokens.append(token_in(await refresh(client, tokens[-1], key=new_key())))
    await logging_out(client, laptop)
    jtis = [claims_of(token)["jti"] for token in (*tokens, laptop.access_token)]
    names: list[Any] = await redis.keys("*")
    for name in names:
        assert await redis.pttl(name) > 0, name
        stored = name + await stored_text(redis, name)
        assert not any(secret in stored for secret in (*tokens, *jtis))
    user_keys = [name for name in names if laptop.user["id"] in name]
    assert (len(user_keys), len({key_slot(name.encode()) for name in user_keys})) == (3, 1)


async def parallel(client: Client, token: str) -> list[httpx.Response]:
    return await asyncio.gather(*(refresh(client, token) for _ in range(PARALLEL)))


async def test_promise_7_parallel_refreshes_agree(client: Client) -> None:
    person = await sign_up(client)
    (successor,) = set(map(token_in, await parallel(client, person.refresh_token)))
    assert claims_of(successor)["gen"] == 1


async def test_promise_7_without_grace_one_of_them_is_granted(
    client: Client,
    settings: Settings,
) -> None:
    strict = settings.model_copy(update={"REFRESH_GRACE_SECONDS": 0})
    person = await sign_up(client)
    async with running(create_app(strict)) as strict_client:
        answers = await parallel(strict_client, person.refresh_token)
        granted = [answer for answer in answers if answer.status_code == 200]
        assert len(granted) == 1
        await expect_nothing_refreshes(strict_client, map(token_in, granted))


@pytest.mark.parametrize("end", [logging_out, logging_out_everywhere, changing_password])
async def test_promise_8_nothing_refreshes_after_an_end_in_parallel(
    client: Client,
    end: Callable[[Client, Person], Awaitable[httpx.Response]],
) -> None:
    for _ in range(ROUNDS):
        person = await sign_up(client)
        first, ended, *later = await asyncio.gather(
            refresh(client, person.refresh_token),
            end(client, person),
            *(refresh(client, person.refresh_token) for _ in range(4)),
        )
        assert ended.status_code in (200, 204)
        answers = [first, *later]
        assert {answer.status_code for answer in answers} <= {200, 401}
        granted = {token_in(answer) for answer in answers if answer.status_code == 200}
        await expect_nothing_refreshes(client, {person.refresh_token, *granted})


@pytest.mark.parametrize("moment", Moment)
async def test_promise_9_a_cut_connection_is_503_and_then_the_same_token_succeeds(
    database_url: str,
    moment: Moment,
) -> None:
    with tcp_redis() as server:
        async with CuttingProxy(server.port).listening() as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            app = create_app(make_settings(DATABASE_URL=database_url, REDIS_URL=url))
            async with running(app) as client:
                token = (await sign_up(client)).refresh_token
                for _ in range(5):
                    proxy.cut_next(moment, times=2)  # the one retry is cut as well
                    assert problem(await refresh(client, token)) == "service-unavailable"
                    token = token_in(await refresh(client, token))
                assert claims_of(token)["gen"] == 5
                assert proxy.cuts == 10


async def test_promise_10_bad_input_is_401_or_422_without_a_redis_call(
    client: Client,
    redis: Redis,
    settings: Settings,
) -> None:
    person = await sign_up(client)
    secret = settings.JWT_REFRESH_SECRET_KEY.get_secret_value()

    before = await calls(redis)
    refused = {}
    for what, token in bad_tokens(person, secret).items():
        # Escaped: a client can send half a surrogate pair in no other way.
        document = '{"refresh_token": "%s"}' % "".join(  # noqa: UP031
            c if c.isascii() and c not in '"\\' else f"\\u{ord(c):04x}" for c in token
        )
        answer = await client.post(
            "/auth/refresh", content=document, headers={"Content-Type": "application/json"}
        )
        refused[what] = answer.status_code
    assert set(refused.values()) <= {401, 422}, refused
    assert {what for what, status in refused.items() if status == 422} <= {"lone surrogate"}
    for body in ({}, {"refresh_token": None}, {"refresh_token": 7}):
        assert (await client.post("/auth/refresh", json=body)).status_code == 422
    assert (await client.get("/auth/me", headers=bearer(person.refresh_token))).status_code == 401
    assert await calls(redis) == before
    assert (await refresh(client, person.refresh_token)).status_code == 200


async def test_promise_10_an_expired_token_is_refused_without_a_redis_call(
    client: Client,
    redis: Redis,
    settings: Settings,
) -> None:
    person = await sign_up(client)
    secret = settings.JWT_REFRESH_SECRET_KEY.get_secret_value()
    before = await calls(redis)
    answer = await refresh(client, expired_token(person, secret))
    assert problem(answer) == "invalid-refresh-token"
    assert await calls(redis) == before


def test_every_promise_names_tests_that_exist() -> None:
    rows = re.findall(
        r"^\| (\d+) \|.*\| (.*) \|$",
        (REPOSITORY / "docs" / "promises.md").read_text(),
        re.MULTILINE,
    )
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    for number, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
        assert any(name.startswith(f"test_promise_{number}_") for _, name in named), number
        for path, name in named:
            assert f"def {name}(" in (REPOSITORY / path).read_text(), f"{path}::{name}"
