"""People whom an issuer elsewhere vouches for: each has a user of their own here."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event, func, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from src.app import create_app
from src.auth.known_users import KnownUsers
from src.auth.models import User
from src.core.settings import Settings
from src.first_run.administration import set_active
from src.issuers.models import ExternalIdentity
from tests.conftest import WithState, running
from tests.factories import Person, bearer, log_in, problem, sign_up
from tests.features import without_request_id
from tests.issuers.minting import (
    Minted,
    by_flask,
    by_pyjwt,
    by_simplejwt,
    secret_entry,
    settings_with,
)
from tests.tokens import claims_of, header_of, signed
from tests.waiting import comes_true

Client = httpx.AsyncClient
KEYS = {name: secrets.token_urlsafe(48) for name in ("django", "flask", "backend")}
MESSAGE = {"message": "What is the femur?"}


@pytest.fixture(scope="module")
def trusting_settings(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("issuers") / "issuers.json"
    named = settings_with(
        path,
        secret_entry("django", KEYS["django"], subject_claim="user_id"),
        secret_entry("flask", KEYS["flask"]),
        secret_entry("backend", KEYS["backend"], allows="service"),
        # The port "discard": nobody listens.
        {"name": "away", "jwks_url": "http://127.0.0.1:9/jwks", "algorithms": ["EdDSA", "RS256"]}
        | {"issuer": "urn:away", "audience": "latchkey", "allows": "user"},
    )
    return settings.model_copy(update={"TRUSTED_ISSUERS": named.TRUSTED_ISSUERS})


@pytest.fixture(scope="module")
async def workers(trusting_settings: Settings) -> AsyncIterator[list[Client]]:
    """Two applications that trust them, on the same stores."""
    apps = [create_app(trusting_settings) for _ in range(2)]
    async with running(apps[0]) as one, running(apps[1]) as other:
        yield [one, other]


@pytest.fixture
def here(client: Client, workers: list[Client]) -> Client:  # noqa: ARG001 - empties the stores
    return workers[0]


@pytest.fixture
def subject() -> str:
    """An id that nobody had before: applications remember whom they have seen."""
    return str(secrets.randbelow(10**12))


def of_django(subject: str) -> dict[str, str]:
    return bearer(by_simplejwt(KEYS["django"], Minted(subject=subject)))


def of_flask(subject: str) -> dict[str, str]:
    return bearer(by_flask(KEYS["flask"], Minted(subject=subject)))


async def profile(client: Client, headers: dict[str, str]) -> dict[str, Any]:
    response = await client.get("/auth/me", headers=headers)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def number_of(engine: AsyncEngine, table: type) -> int:
    async with engine.connect() as connection:
        counted = await connection.execute(select(func.count()).select_from(table))
        return int(counted.scalar_one())


async def refuses(client: Client, headers: dict[str, str]) -> bool:
    response = await client.get("/auth/me", headers=headers)
    if response.status_code == 401:
        assert problem(response) == "invalid-token"
    return response.status_code == 401


async def test_somebody_from_elsewhere_keeps_one_user_and_uses_every_feature(
    here: Client, workers: list[Client], engine: AsyncEngine, subject: str
) -> None:
    first = await profile(here, of_django(subject))
    again = await profile(workers[1], of_django(subject))
    assert first["id"] == again["id"]
    assert first["email"].endswith("@django.invalid")
    assert await number_of(engine, User) == await number_of(engine, ExternalIdentity) == 1
    spoken = await here.post("/chat/message", json=MESSAGE, headers=of_django(subject))
    assert spoken.status_code == 200, spoken.text
    record = {"part": "femur", "kind": "symptom"}
    noted = await here.post("/anatomy/records", json=record, headers=of_django(subject))
    assert noted.status_code == 201, noted.text


async def test_equal_ids_of_two_issuers_never_meet(here: Client, subject: str) -> None:
    django, flask = of_django(subject), of_flask(subject)
    assert (await profile(here, django))["id"] != (await profile(here, flask))["id"]
    spoken = await here.post("/chat/message", json=MESSAGE, headers=django)
    path = f"/chat/session/{spoken.json()['session_id']}"
    assert (await here.get(path, headers=django)).status_code == 200
    stranger = await here.get(path, headers=flask)
    missing = await here.get(f"/chat/session/{secrets.token_hex(16)}", headers=flask)
    assert without_request_id(stranger) == without_request_id(missing)
    assert stranger.status_code == 404


async def test_first_requests_at_once_make_one_user(
    here: Client, workers: list[Client], engine: AsyncEngine, subject: str
) -> None:
    assert here is workers[0]
    headers = of_django(subject)
    profiles = await asyncio.gather(*(profile(workers[n % 2], headers) for n in range(12)))
    assert len({each["id"] for each in profiles}) == 1
    assert await number_of(engine, User) == await number_of(engine, ExternalIdentity) == 1


async def administrator(client: Client, engine: AsyncEngine) -> Person:
    person = await sign_up(client)
    async with engine.begin() as connection:
        roles = update(User).where(col(User.email) == person.email).values(roles=["admin"])
        await connection.execute(roles)
    return await log_in(client, person)


async def test_disabling_the_user_refuses_its_tokens_within_a_second(
    here: Client, workers: list[Client], engine: AsyncEngine, subject: str
) -> None:
    headers, root = of_flask(subject), await administrator(here, engine)
    path = f"/admin/users/{(await profile(workers[1], headers))['id']}"
    await here.patch(path, json={"is_active": False}, headers=root.authorization)
    assert await refuses_soon(workers[1], headers)
    await here.patch(path, json={"is_active": True}, headers=root.authorization)
    assert not await refuses(workers[1], headers)


async def refuses_soon(client: Client, headers: dict[str, str]) -> bool:
    return await comes_true(lambda: refuses(client, headers))


@pytest.mark.one_database
async def test_the_command_line_disables_them_by_their_placeholder_address(
    here: Client, trusting_settings: Settings, subject: str
) -> None:
    email = (await profile(here, of_django(subject)))["email"]
    await asyncio.to_thread(set_active, trusting_settings, email=email, is_active=False)
    assert await refuses_soon(here, of_django(subject))


@pytest.mark.one_database
async def test_a_deleted_user_is_somebody_new_at_the_next_sight(
    here: Client, engine: AsyncEngine, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KnownUsers, "REMEMBERED_SECONDS", 0.0)
    before = await profile(here, of_flask(subject))
    async with engine.begin() as connection:
        await connection.execute(User.__table__.delete())  # type: ignore[attr-defined]
    assert await number_of(engine, ExternalIdentity) == 0
    assert await refuses(here, of_flask(subject))
    assert (await profile(here, of_flask(subject)))["id"] != before["id"]


@pytest.mark.one_database
async def test_nobody_logs_in_or_signs_up_as_a_user_from_elsewhere(
    here: Client, subject: str
) -> None:
    user = await profile(here, of_django(subject))
    for password in ("!", "", "correct horse battery staple"):
        credentials = {"email": user["email"], "password": password}
        assert (await here.post("/auth/login", json=credentials)).status_code == 401
        assert (await here.post("/auth/signup", json=credentials)).status_code == 422
        change = {"current_password": password, "new_password": "another long passphrase"}
        changed = await here.post("/auth/password", json=change, headers=of_django(subject))
        assert problem(changed) == "wrong-password"


@pytest.mark.one_database
async def test_roles_that_the_user_was_given_do_not_come_with_a_token_from_elsewhere(
    here: Client, engine: AsyncEngine, subject: str
) -> None:
    await profile(here, of_django(subject))
    async with engine.begin() as connection:
        await connection.execute(update(User).values(roles=["admin"]))
    response = await here.get("/admin/users", headers=of_django(subject))
    assert problem(response) == "insufficient-role"


@pytest.mark.one_database
async def test_our_own_tokens_are_ours_alone(here: Client) -> None:
    person = await sign_up(here)
    assert (await profile(here, person.authorization))["id"] == person.user["id"]
    ours = header_of(person.access_token)
    for claims in (claims_of(by_flask(KEYS["flask"], Minted())), claims_of(person.access_token)):
        assert await refuses(here, bearer(signed(claims, ours, secret=KEYS["flask"])))
    # As somebody's own, but with the header and the key of an issuer: `iss` is not theirs.
    header = {"alg": "HS256", "typ": "JWT"}
    own = signed(claims_of(person.access_token), header, secret=KEYS["flask"])
    assert await refuses(here, bearer(own))
    assert await refuses(here, bearer(person.refresh_token))


@pytest.mark.one_database
async def test_an_issuer_of_services_speaks_for_no_user(here: Client, engine: AsyncEngine) -> None:
    assert await refuses(here, bearer(by_flask(KEYS["backend"], Minted())))
    assert await number_of(engine, User) == 0


@pytest.mark.one_database
async def test_keys_that_cannot_be_fetched_are_no_verdict(here: Client) -> None:
    claims = {"iss": "urn:away", "aud": "latchkey", "sub": "7", "exp": 2**33}
    unsigned = signed(claims, {"alg": "RS256", "kid": "any"}, secret="")
    response = await here.get("/auth/me", headers=bearer(unsigned))
    assert (response.status_code, problem(response)) == (503, "service-unavailable")
    assert response.headers["retry-after"]


@pytest.mark.one_database
async def test_without_the_setting_nobody_from_elsewhere_gets_in(
    client: Client, subject: str
) -> None:
    assert await refuses(client, of_django(subject))
    assert await refuses(client, bearer(by_pyjwt(KEYS["django"], Minted())))


@contextmanager
def statements(client: Client) -> Iterator[list[str]]:
    """The SQL statements that the application runs meanwhile."""
    transport: Any = client._transport
    with_state: WithState = transport.app
    engine: AsyncEngine = with_state.state["sessionmaker"].kw["bind"]
    seen: list[str] = []

    def remember(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(engine.sync_engine, "before_cursor_execute", remember)
    yield seen
    event.remove(engine.sync_engine, "before_cursor_execute", remember)


@pytest.mark.one_database
async def test_a_request_asks_the_database_no_more_than_with_a_token_of_ours(
    here: Client, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KnownUsers, "REMEMBERED_SECONDS", 0.0)
    person = await sign_up(here)
    await profile(here, of_django(subject))
    with statements(here) as with_ours:
        await here.post("/auth/verify", headers=person.authorization)
    with statements(here) as with_theirs:
        await here.post("/auth/verify", headers=of_django(subject))
    assert with_theirs == with_ours
    assert len(with_ours) == 1
