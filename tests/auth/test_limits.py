"""Limits: how often one may guess a password or sign up, and what the answers tell of it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from src.app import create_app
from src.core.settings import Settings
from tests.conftest import OFFSET_KEY, MovableClock, PassTime, WithState
from tests.factories import PASSWORD, Person, new_email, problem, sign_up
from tests.servers import running_redis

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient

HERE = "198.51.100.1"
ELSEWHERE = "203.0.113.1"
QUARTER = timedelta(minutes=15)
MAX_GUESSES = 10
MAX_GUESSES_OF_ADDRESS = 100
MAX_SIGNUPS = 20


class Instance:
    """A running application with limits, and clients at any address."""

    def __init__(self, app: FastAPI, state: dict[str, Any]) -> None:
        self.state = state
        self._app = WithState(app, state)

    def at(self, address: str) -> Client:
        transport = httpx.ASGITransport(self._app, client=(address, 40_000))
        return Client(transport=transport, base_url="http://testserver")


@asynccontextmanager
async def instance(settings: Settings, clock: MovableClock) -> AsyncIterator[Instance]:
    app = create_app(settings.model_copy(update={"RATE_LIMITS": "on"}), clock=clock)
    async with app.router.lifespan_context(app) as state:
        yield Instance(app, dict(state or {}))


@pytest.fixture(scope="module")
async def instances(
    settings: Settings, session_clock: MovableClock
) -> AsyncIterator[tuple[Instance, Instance]]:
    """Two workers, so to speak: they share keys, Redis and the database, nothing else."""
    async with instance(settings, session_clock) as one, instance(settings, session_clock) as two:
        yield one, two


@pytest.fixture
async def here(instances: tuple[Instance, Instance], client: Client) -> Client:  # noqa: ARG001
    """An attacker's client; the stores are empty."""
    return instances[0].at(HERE)


@pytest.fixture
async def elsewhere(instances: tuple[Instance, Instance], here: Client) -> Client:  # noqa: ARG001
    return instances[0].at(ELSEWHERE)


@pytest.fixture
async def victim(elsewhere: Client) -> Person:
    return await sign_up(elsewhere)


async def guess(client: Client, email: str, password: str = "wrong") -> httpx.Response:
    return await client.post("/auth/login", json={"email": email, "password": password})


async def guess_often(client: Client, email: str, times: int = MAX_GUESSES) -> None:
    for _ in range(times):
        assert problem(await guess(client, email)) == "invalid-credentials"


async def change_password(client: Client, person: Person, current: str) -> httpx.Response:
    return await client.post(
        "/auth/password",
        json={"current_password": current, "new_password": f"{PASSWORD} two"},
        headers=person.authorization,
    )


def remaining(response: httpx.Response) -> dict[str, int]:
    """What `RateLimit` says is left, by the name of the limit."""
    found = re.findall(r'"([a-z-]+)";r=(\d+);t=\d+', response.headers["RateLimit"])
    return {name: int(left) for name, left in found}


def retry_after(response: httpx.Response) -> int:
    assert problem(response) == "too-many-requests"
    assert response.status_code == 429
    return int(response.headers["Retry-After"])


def without_identity(response: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    request_id = response.headers["x-request-id"]
    headers = [(n, v) for n, v in response.headers.items() if n != "x-request-id"]
    return response.status_code, response.content.replace(request_id.encode(), b""), headers


async def test_the_eleventh_guess_in_a_quarter_of_an_hour_is_refused_even_if_it_is_right(
    here: Client, victim: Person
) -> None:
    await guess_often(here, victim.email)

    refused = await guess(here, victim.email, victim.password)

    assert QUARTER.total_seconds() - 60 < retry_after(refused) <= QUARTER.total_seconds()


async def test_the_victim_still_logs_in_from_elsewhere(
    here: Client, elsewhere: Client, victim: Person
) -> None:
    await guess_often(here, victim.email)

    assert (await guess(here, victim.email)).status_code == 429
    assert (await guess(elsewhere, victim.email, victim.password)).status_code == 200


async def test_parallel_guesses_at_several_workers_never_exceed_the_limit(
    instances: tuple[Instance, Instance], victim: Person
) -> None:
    clients = [instances[i % 2].at(HERE) for i in range(50)]

    answers = await asyncio.gather(*(guess(client, victim.email) for client in clients))

    assert sum(answer.status_code == 401 for answer in answers) == MAX_GUESSES
    assert sum(answer.status_code == 429 for answer in answers) == 50 - MAX_GUESSES


async def test_a_right_password_is_given_back(here: Client, victim: Person) -> None:
    await guess_often(here, victim.email, MAX_GUESSES - 1)

    for _ in range(3):
        response = await guess(here, victim.email, victim.password)
        assert response.status_code == 200
        assert remaining(response) == {"login": 1, "login-address": MAX_GUESSES_OF_ADDRESS - 9}

    await guess_often(here, victim.email, 1)
    assert (await guess(here, victim.email, victim.password)).status_code == 429


async def test_the_window_slides(here: Client, victim: Person, pass_time: PassTime) -> None:
    await guess_often(here, victim.email, 4)
    await pass_time(timedelta(minutes=10))
    await guess_often(here, victim.email, 6)

    wait = retry_after(await guess(here, victim.email))
    assert timedelta(minutes=4) < timedelta(seconds=wait) <= timedelta(minutes=5)
    await pass_time(timedelta(seconds=wait))

    await guess_often(here, victim.email, 1)  # there is room for the first of the four
    await pass_time(timedelta(seconds=30))  # and for the others, which may have taken their time
    await guess_often(here, victim.email, 3)
    assert (await guess(here, victim.email)).status_code == 429


async def test_refused_attempts_do_not_prolong_the_wait(
    here: Client, victim: Person, pass_time: PassTime
) -> None:
    await guess_often(here, victim.email)
    wait = retry_after(await guess(here, victim.email))
    await pass_time(timedelta(minutes=10))
    for _ in range(20):
        assert retry_after(await guess(here, victim.email)) <= wait - 600
    await pass_time(timedelta(seconds=wait - 600))

    assert (await guess(here, victim.email, victim.password)).status_code == 200


async def test_answers_are_the_same_bytes_whether_an_account_exists_or_not(
    here: Client, victim: Person
) -> None:
    for email in (victim.email, new_email()):
        await guess_often(here, email, MAX_GUESSES - 1)
    both = [(await guess(here, victim.email)), (await guess(here, victim.email))]
    unknown = new_email()
    await guess_often(here, unknown, MAX_GUESSES)
    refused = await guess(here, unknown)

    known_refusal = both[1]
    assert known_refusal.status_code == refused.status_code == 429
    assert known_refusal.json() | {"request_id": ""} == refused.json() | {"request_id": ""}
    assert {*known_refusal.headers} == {*refused.headers}
    assert {*both[0].headers} == {*(await guess(here, new_email())).headers}


async def test_a_failed_log_in_tells_the_same_of_its_limits_for_every_e_mail(
    instances: tuple[Instance, Instance], victim: Person
) -> None:
    known = await guess(instances[0].at("198.51.100.2"), victim.email)
    unknown = await guess(instances[0].at("198.51.100.3"), new_email())
    nonsense = await guess(instances[0].at("198.51.100.4"), "no e-mail at all")

    assert without_identity(known) == without_identity(unknown) == without_identity(nonsense)


@pytest.mark.parametrize("spelled", [str.upper, str.title, lambda e: f" {e}\t"])
async def test_all_spellings_of_an_e_mail_are_one_account(
    here: Client, victim: Person, spelled: Callable[[str], str]
) -> None:
    await guess_often(here, victim.email, 5)
    await guess_often(here, spelled(victim.email), 5)

    assert (await guess(here, victim.email)).status_code == 429


async def test_one_address_has_a_hundred_guesses_at_all_accounts_together(
    here: Client, victim: Person, redis: Redis
) -> None:
    for _ in range(MAX_GUESSES_OF_ADDRESS // MAX_GUESSES):
        await guess_often(here, new_email())

    refused = await guess(here, victim.email)

    assert retry_after(refused) <= QUARTER.total_seconds()
    assert remaining(refused) == {"login": MAX_GUESSES, "login-address": 0}
    assert not await redis.keys(f"*{victim.email}*")


async def test_a_wrong_current_password_counts_as_a_guess_at_the_account(
    here: Client, victim: Person
) -> None:
    await guess_often(here, victim.email, 4)
    for _ in range(6):
        assert problem(await change_password(here, victim, "wrong")) == "wrong-password"

    refused = await change_password(here, victim, victim.password)

    assert retry_after(refused) > 0
    assert (await guess(here, victim.email)).status_code == 429


async def test_a_change_that_is_refused_for_the_new_password_is_no_guess(
    here: Client, victim: Person
) -> None:
    weak = {"current_password": victim.password, "new_password": "password1"}

    for _ in range(MAX_GUESSES + 1):
        refused = await here.post("/auth/password", json=weak, headers=victim.authorization)
        assert problem(refused) == "weak-password"

    assert (await change_password(here, victim, victim.password)).status_code == 200


async def test_an_address_may_sign_up_twenty_times_an_hour(
    here: Client, elsewhere: Client, pass_time: PassTime
) -> None:
    taken = (await sign_up(here)).email
    for _ in range(MAX_SIGNUPS - 1):
        again = {"email": taken, "password": PASSWORD}
        assert problem(await here.post("/auth/signup", json=again)) == "email-taken"

    refused = await here.post("/auth/signup", json={"email": new_email(), "password": PASSWORD})

    wait = retry_after(refused)
    assert 3_500 < wait <= 3_600
    await sign_up(elsewhere)
    await pass_time(timedelta(seconds=wait))
    await sign_up(here)


async def test_parallel_sign_ups_never_exceed_the_limit(
    instances: tuple[Instance, Instance],
    here: Client,  # noqa: ARG001
) -> None:
    bodies = [{"email": new_email(), "password": PASSWORD} for _ in range(MAX_SIGNUPS + 10)]

    answers = await asyncio.gather(
        *(instances[i % 2].at(HERE).post("/auth/signup", json=b) for i, b in enumerate(bodies))
    )

    assert sum(answer.status_code == 201 for answer in answers) == MAX_SIGNUPS
    assert sum(answer.status_code == 429 for answer in answers) == 10


async def test_a_password_that_is_too_weak_costs_no_sign_up(here: Client) -> None:
    weak = {"email": new_email(), "password": "password1"}

    for _ in range(MAX_SIGNUPS + 1):
        assert problem(await here.post("/auth/signup", json=weak)) == "weak-password"

    await sign_up(here)


async def test_neighbours_in_an_ipv6_network_count_together(
    instances: tuple[Instance, Instance], victim: Person
) -> None:
    for i in range(MAX_GUESSES):
        await guess_often(instances[0].at(f"2001:db8:1:2:{i}::1"), victim.email, 1)

    assert (await guess(instances[0].at("2001:db8:1:2:ffff::"), victim.email)).status_code == 429
    assert (await guess(instances[0].at("2001:db8:1:3::1"), victim.email)).status_code == 401


async def test_a_forged_address_is_counted_as_the_address_that_it_came_from(
    here: Client, victim: Person
) -> None:
    for i in range(MAX_GUESSES):
        here.headers["X-Forwarded-For"] = f"192.0.2.{i}"
        await guess_often(here, victim.email, 1)

    assert (await guess(here, victim.email)).status_code == 429


async def test_every_counted_answer_says_where_the_limits_stand(
    here: Client, victim: Person
) -> None:
    wrong = await guess(here, victim.email)
    await guess_often(here, victim.email, MAX_GUESSES - 1)
    refused = await guess(here, victim.email)

    policy = '"login";q=10;w=900, "login-address";q=100;w=900'
    assert wrong.headers["RateLimit-Policy"] == refused.headers["RateLimit-Policy"] == policy
    assert wrong.headers["RateLimit"] == '"login";r=9;t=900, "login-address";r=99;t=900'
    seconds = retry_after(refused)
    assert refused.headers["RateLimit"].startswith(f'"login";r=0;t={seconds}, ')


async def test_a_sign_up_says_how_many_are_left_and_other_routes_say_nothing(
    here: Client,
) -> None:
    body = {"email": new_email(), "password": PASSWORD}
    signed_up = await here.post("/auth/signup", json=body)

    assert signed_up.headers["RateLimit-Policy"] == '"signup";q=20;w=3600'
    assert signed_up.headers["RateLimit"] == '"signup";r=19;t=3600'
    assert "RateLimit" not in (await here.get("/auth/me")).headers


async def test_a_right_password_that_nothing_precedes_leaves_all_there_is(
    here: Client, victim: Person
) -> None:
    response = await guess(here, victim.email, victim.password)

    assert response.headers["RateLimit"] == '"login";r=10;t=0, "login-address";r=100;t=0'


async def test_redis_holds_no_address_and_no_e_mail_and_forgets_by_itself(
    here: Client, victim: Person, redis: Redis
) -> None:
    await guess_often(here, victim.email, 2)

    names = [str(name) for name in await redis.keys("auth:{rl:*")]

    assert len(names) == 3  # the guesses of the address, those at the account, and one sign-up
    for name in names:
        assert re.fullmatch(r"auth:\{rl:[0-9a-f]{32}\}:(u|p|p:[0-9a-f]{32})", name)
        assert 0 < await redis.ttl(name) <= 3_600
    tags = {name.partition("}")[0] for name in names if not name.endswith(":u")}
    assert len(tags) == 1, "the keys of one decision are in one slot of a cluster"


async def test_without_redis_there_is_no_guess_and_no_sign_up(
    settings: Settings, session_clock: MovableClock, client: Client
) -> None:
    person = await sign_up(client)
    with running_redis() as server:
        alone = settings.model_copy(update={"REDIS_URL": server.url})
        async with instance(alone, session_clock) as running:
            here = running.at(HERE)
            assert (await guess(here, person.email)).status_code == 401
            server.kill()
            attempts: list[Awaitable[httpx.Response]] = [
                guess(here, person.email),
                guess(here, new_email()),
                guess(here, person.email, person.password),
                here.post("/auth/signup", json={"email": new_email(), "password": PASSWORD}),
            ]
            for attempt in attempts:
                answer = await attempt
                assert problem(answer) == "service-unavailable"
                assert answer.headers["Retry-After"]


async def test_an_attempt_that_we_fail_ourselves_is_given_back(
    here: Client, victim: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("src.auth.store.users.by_email_key", _no_database)
        for _ in range(MAX_GUESSES + 1):
            assert (await guess(here, victim.email)).status_code == 503

    await guess_often(here, victim.email)


async def _no_database(*_: object) -> None:
    raise ConnectionRefusedError


async def test_switched_off_nothing_is_limited_and_nothing_is_said(
    client: Client, redis: Redis
) -> None:
    person = await sign_up(client)

    await guess_often(client, person.email, MAX_GUESSES + 5)
    response = await guess(client, person.email, person.password)

    assert response.status_code == 200
    assert "RateLimit" not in response.headers
    assert not await redis.keys("auth:{rl:*")
    assert not await redis.exists(OFFSET_KEY)
