"""What is no access token of ours opens nothing. Each case differs from a good one in one thing."""

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import ColumnElement, delete, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from src.auth.models import User
from src.core.settings import Settings
from tests.auth.hostile_tokens import TTL, Good, hostile_tokens
from tests.auth.token_keys import HmacKey
from tests.conftest import PassTime
from tests.factories import Person, bearer, problem, sign_up
from tests.tokens import encoded

Client = httpx.AsyncClient

LEEWAY = timedelta(seconds=10)

REQUESTS: list[dict[str, Any]] = [
    {"method": "POST", "url": "/auth/verify"},
    {"method": "GET", "url": "/auth/me"},
    {"method": "POST", "url": "/chat/message", "json": {"message": "hello"}},
    {"method": "GET", "url": "/anatomy/"},
]


@pytest.fixture
async def good(client: Client, settings: Settings) -> Good:
    person = await sign_up(client)
    return Good(
        person.access_token,
        HmacKey(settings.JWT_SECRET_KEY.get_secret_value()),
        person.refresh_token,
        settings.JWT_REFRESH_SECRET_KEY.get_secret_value(),
    )


async def answers(
    client: Client,
    headers: dict[str, str] | list[tuple[bytes, bytes]],
    requests: Sequence[dict[str, Any]] = REQUESTS,
) -> list[httpx.Response]:
    return [await client.request(**request, headers=headers) for request in requests]


async def refused(
    client: Client,
    authorization: bytes,
    requests: Sequence[dict[str, Any]] = REQUESTS,
) -> bool:
    """Whether each route answers 401 `invalid-token` as RFC 6750 §3 says."""
    for response in await answers(client, [(b"authorization", authorization)], requests):
        if response.status_code != 401 or problem(response) != "invalid-token":
            return False
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert len(response.content) < 4096
    return True


async def test_the_good_token_opens_everything_and_so_does_one_made_by_hand(
    client: Client,
    good: Good,
) -> None:
    assert good.with_claims() == good.token
    now = int(time.time())
    barely = good.with_claims(iat=now - 60, exp=now - 1)
    for token in (barely, good.token, good.with_claims(more=1), good.with_claims(roles=[])):
        assert [r.status_code for r in await answers(client, bearer(token))] == [200] * 4


@pytest.mark.one_database
async def test_every_other_token_is_refused(client: Client, good: Good) -> None:
    """On one route; how tokens are verified by themselves: test_token_verification.py."""
    unknown = {f"sub {user}": good.with_claims(sub=str(user)) for user in (uuid4(), UUID(int=0))}
    hostile = {**hostile_tokens(good), **unknown}
    assert len(set(hostile.values())) > 300
    assert good.token not in hostile.values()
    accepted = [
        name
        for name, token in hostile.items()
        if not await refused(client, b"Bearer " + token.encode("latin-1"), REQUESTS[:1])
    ]
    assert accepted == []


@pytest.mark.one_database
async def test_every_other_route_refuses_the_same_tokens(client: Client, good: Good) -> None:
    sample = list(hostile_tokens(good).values())[::15]
    assert len(sample) > 20
    for token in sample:
        assert await refused(client, b"Bearer " + token.encode("latin-1"), REQUESTS[1:])


@pytest.mark.one_database
async def test_a_header_nested_20_000_deep_is_too_large_to_be_read(client: Client) -> None:
    nested = encoded(b"[" * 20_000 + b"]" * 20_000)
    for response in await answers(client, bearer(f"{nested}.e30.AAAA")):
        assert problem(response) == "header-too-large"


@pytest.mark.one_database
async def test_the_name_of_the_scheme_is_written_in_any_case(client: Client, good: Good) -> None:
    for scheme in ("bearer", "BEARER", "bEaReR"):
        headers = {"Authorization": f"{scheme} {good.token}"}
        assert [r.status_code for r in await answers(client, headers)] == [200] * 4


@pytest.mark.one_database
async def test_anything_but_one_blank_between_scheme_and_token_is_refused(
    client: Client,
    good: Good,
) -> None:
    for template in (
        "Bearer\t{}", "Bearer  {}", "Bearer: {}", "Bearer={}", "Bearer,{}", "{}", "Token {}",
        "JWT {}", "Basic {}", "Bearer", "Bearer ", "Bearer Bearer {}", " Bearer {}", "Bearer {},",
        "Bearer {};", "Digest Bearer {}", "Bearer {} Bearer {}", "Bearer <{}>", "Bearer '{}'",
        "\x0bBearer {}",
    ):  # fmt: skip
        authorization = template.replace("{}", good.token).encode("latin-1")
        for response in await answers(client, [(b"authorization", authorization)]):
            assert response.status_code == 401, template
            # Another scheme is no token, so RFC 6750 §3 wants no error code.
            assert problem(response) in {"invalid-token", "authentication-required"}, template


@pytest.mark.one_database
async def test_two_authorization_headers_are_refused_whichever_is_good(
    client: Client,
    good: Good,
) -> None:
    for other in (b"Bearer x", b"Basic Og==", b"", f"Bearer {good.token}".encode()):
        both = [(b"authorization", f"Bearer {good.token}".encode()), (b"authorization", other)]
        for headers in (both, both[::-1]):
            for response in await answers(client, headers):
                assert response.status_code in (400, 401), headers


@pytest.mark.one_database
async def test_without_a_token_the_answer_names_the_scheme_and_no_error(client: Client) -> None:
    for response in await answers(client, {}):
        assert response.status_code == 401
        assert problem(response) == "authentication-required"
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.one_database
@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "Authorization"])
async def test_a_token_anywhere_but_in_its_header_is_ignored(
    client: Client,
    good: Good,
    name: str,
) -> None:
    for request in REQUESTS:
        in_query = await client.request(**request, params={name: good.token})
        in_cookie = await client.request(**request, headers={"Cookie": f"{name}={good.token}"})
        other_header = {f"X-{name}": good.token, "Proxy-Authorization": f"Bearer {good.token}"}
        in_header = await client.request(**request, headers=other_header)
        for response in (in_query, in_cookie, in_header):
            assert problem(response) == "authentication-required"
    in_body = await client.post("/chat/message", json={"message": "hello", name: good.token})
    assert problem(in_body) == "authentication-required"
    form = await client.post("/auth/verify", data={name: good.token})
    assert problem(form) == "authentication-required"


@pytest.mark.one_database
async def test_a_token_holds_until_ten_seconds_after_its_end(
    client: Client,
    good: Good,
    pass_time: PassTime,
) -> None:
    await pass_time(TTL + LEEWAY - timedelta(seconds=6))  # so long may the requests take
    assert [r.status_code for r in await answers(client, bearer(good.token))] == [200] * 4
    await pass_time(timedelta(seconds=8))
    assert await refused(client, f"Bearer {good.token}".encode())


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.mark.one_database
@pytest.mark.parametrize("name", ["jku", "x5u", "iss", "kid"])
async def test_no_address_in_a_token_is_ever_called(client: Client, good: Good, name: str) -> None:
    with listening() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        for token in (good.with_header(**{name: url}), good.with_claims(**{name: url, "sub": "x"})):
            assert await refused(client, f"Bearer {token}".encode())
        await asyncio.sleep(0.05)
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_the_token_of_somebody_deleted_or_disabled_is_refused_within_a_second(
    client: Client,
    engine: AsyncEngine,
) -> None:
    deleted, disabled = await sign_up(client), await sign_up(client)
    for person in (deleted, disabled):
        assert (await client.get("/auth/me", headers=person.authorization)).status_code == 200
    async with engine.begin() as connection:
        await connection.execute(delete(User).where(whose(deleted)))
        await connection.execute(update(User).values(is_active=False).where(whose(disabled)))
    await asyncio.sleep(1.1)
    for person in (deleted, disabled):
        assert await refused(client, f"Bearer {person.access_token}".encode())


def whose(person: Person) -> ColumnElement[bool]:
    return col(User.id) == UUID(person.user["id"])
