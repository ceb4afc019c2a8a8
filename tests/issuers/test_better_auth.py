"""Better Auth's database, however it is laid out: who is signed in, and which error when."""

import hashlib
import logging
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import AsyncAdaptedQueuePool

from src.core.db import build_engine
from src.core.errors import Problem, ServiceUnavailable
from src.issuers.better_auth import (
    BetterAuth,
    BetterAuthUserNotFound,
    InvalidBetterAuthToken,
    Method,
    NoActiveSessions,
)
from src.issuers.better_auth_store import BetterAuthStore, as_utc
from tests.conftest import REPOSITORY, MovableClock
from tests.issuers.better_auth_tables import (
    LAYOUTS,
    Deployment,
    deployed,
    minted,
    postgresql_database,
    random_text,
    signed,
    trusting,
)

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", params=LAYOUTS)
async def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    layout = LAYOUTS[request.param]
    if layout.database == "sqlite":
        path = tmp_path_factory.mktemp("better-auth") / "better-auth.db"
        path.touch()
        async with deployed(layout, f"sqlite:///{path}") as deployment:
            yield deployment
        return
    server = request.getfixturevalue("postgresql_url")
    async with postgresql_database(server, request.param) as url, deployed(layout, url) as there:
        yield there


@pytest.fixture(scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """For what does not depend on the layout."""
    path = tmp_path_factory.mktemp("better-auth") / "better-auth.db"
    path.touch()
    async with deployed(LAYOUTS["kysely-sqlite"], f"sqlite:///{path}") as deployment:
        yield deployment


async def test_a_session_token_is_taken_raw_signed_and_percent_encoded(
    deployment: Deployment,
) -> None:
    user = await deployment.add_user()
    elsewhere = await deployment.sign_in(user, lasting=2 * HOUR)
    here = await deployment.sign_in(user, lasting=HOUR)
    await deployment.sign_in(user, lasting=-HOUR)

    for spelling, method in (
        (here, Method.SESSION_TOKEN),
        (signed(here), Method.SIGNED_SESSION_TOKEN),
        (quote(signed(here), safe=""), Method.SIGNED_SESSION_TOKEN),
    ):
        identity = await deployment.better_auth.resolve(spelling)

        assert (identity.user.id, identity.user.email) == (user.id, user.email)
        assert (identity.user.name, identity.method) == ("Ada", method)
        assert identity.session == identity.sessions[1]
        assert len(identity.sessions) == 2
        assert identity.sessions[0].expires_at - identity.sessions[1].expires_at > HOUR / 2
    assert (await deployment.better_auth.resolve(elsewhere)).session == identity.sessions[0]


async def test_a_jwt_speaks_for_its_user_while_any_session_lasts(deployment: Deployment) -> None:
    user = await deployment.add_user()
    session_token = await deployment.sign_in(user, lasting=HOUR)
    by_id, by_email = minted({"sub": user.id}), minted({"email": user.email.upper()})

    for token, method in (
        (by_id, Method.SHARED_SECRET_JWT),
        (by_email, Method.SHARED_SECRET_JWT_EMAIL),
    ):
        identity = await deployment.better_auth.resolve(token)
        assert (identity.user.id, identity.session, identity.method) == (user.id, None, method)
        assert len(identity.sessions) == 1
    await deployment.sign_out(session_token)
    for token in (by_id, by_email):
        with pytest.raises(NoActiveSessions):
            await deployment.better_auth.resolve(token)


async def test_an_expired_session_counts_for_nothing_whatever_zone_the_server_is_in(
    deployment: Deployment,
) -> None:
    user = await deployment.add_user()
    expired = await deployment.sign_in(user, lasting=timedelta(seconds=-2))

    with pytest.raises(InvalidBetterAuthToken):
        await deployment.better_auth.resolve(expired)
    with pytest.raises(NoActiveSessions):
        await deployment.better_auth.resolve(minted({"sub": user.id}))


async def test_a_session_that_is_over_is_refused_though_its_user_has_another(
    deployment: Deployment,
) -> None:
    user = await deployment.add_user()
    await deployment.sign_in(user)
    ended = await deployment.sign_in(user)
    expired = await deployment.sign_in(user, lasting=-HOUR)
    identity = await deployment.better_auth.resolve(ended)
    of_the_user = await deployment.better_auth.resolve(minted({"sub": user.id}))
    assert await deployment.better_auth.still_accepts(identity)

    await deployment.sign_out(ended)

    for over in (ended, signed(ended), expired, random_text()):
        with pytest.raises(InvalidBetterAuthToken):
            await deployment.better_auth.resolve(over)
    assert not await deployment.better_auth.still_accepts(identity)
    assert await deployment.better_auth.still_accepts(of_the_user)


async def test_a_user_who_is_not_there_is_not_found(deployment: Deployment) -> None:
    gone = await deployment.add_user()
    orphan = await deployment.sign_in(gone)
    await deployment.run('DELETE FROM "user" WHERE email = :email', email=gone.email)

    for token in (minted({"sub": gone.id}), minted({"email": gone.email}), orphan):
        with pytest.raises(BetterAuthUserNotFound):
            await deployment.better_auth.resolve(token)


async def test_what_a_database_chokes_on_never_reaches_it(deployment: Deployment) -> None:
    session_token = await deployment.sign_in(await deployment.add_user())
    nul = session_token + "\0"

    for token in (
        quote(signed(nul), safe=""),
        minted({"session": {"token": nul}}),
        minted({"sub": nul}),
        minted({"email": "\ud800@example.com"}),
    ):
        with pytest.raises(InvalidBetterAuthToken):
            await deployment.better_auth.resolve(token)


async def test_sessions_expire_by_the_clock(small: Deployment) -> None:
    identity = await small.better_auth.resolve(
        session_token := await small.sign_in(await small.add_user(), lasting=HOUR)
    )
    small.clock.passed = HOUR
    try:
        assert not await small.better_auth.still_accepts(identity)
        with pytest.raises(InvalidBetterAuthToken):
            await small.better_auth.resolve(session_token)
    finally:
        small.clock.passed = timedelta()


async def test_the_cookie_cache_is_as_good_as_its_session(small: Deployment) -> None:
    user = await small.add_user()
    session_token = await small.sign_in(user)
    await small.sign_in(user)
    cookie = minted(
        {"session": {"token": session_token}, "user": {"id": user.id}, "version": "1"}, typ=None
    )

    identity = await small.better_auth.resolve(cookie)
    assert identity.session is not None
    assert (identity.user.id, identity.method) == (user.id, Method.COOKIE_CACHE)
    await small.sign_out(session_token)
    with pytest.raises(InvalidBetterAuthToken):
        await small.better_auth.resolve(cookie)


async def test_an_address_that_changed_hands_does_not_take_its_old_owner_along(
    small: Deployment,
) -> None:
    before, now = await small.add_user(), await small.add_user("ada@example.com")
    await small.sign_in(before)
    await small.sign_in(now)
    old_claims = {"sub": before.id, "email": now.email}

    assert (await small.better_auth.resolve(minted(old_claims))).user.id == before.id
    with pytest.raises(BetterAuthUserNotFound):
        await small.better_auth.resolve(minted({**old_claims, "sub": random_text()}))


def test_the_three_errors_read_as_their_clients_expect() -> None:
    said = {
        (problem.status, problem.slug, problem.detail)
        for problem in (InvalidBetterAuthToken, BetterAuthUserNotFound, NoActiveSessions)
    }

    assert said == {
        (401, "invalid-token", "Invalid or expired JWT token"),
        (404, "user-not-found", "User not found with provided email"),
        (404, "no-active-sessions", "No active sessions found for user"),
    }


async def test_every_attempt_is_logged_without_its_token(
    small: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    user = await small.add_user()
    session_token = await small.sign_in(user)
    attempts = [signed(session_token), session_token[::-1], minted({"sub": "nobody"})]
    with caplog.at_level(logging.INFO, logger="latchkey"):
        await small.better_auth.resolve(attempts[0])
        for token in attempts[1:]:
            with pytest.raises(Problem):
                await small.better_auth.resolve(token)

    lines = [record.fields for record in caplog.records]  # type: ignore[attr-defined]

    assert [line["outcome"] for line in lines] == ["accepted", "refused", "refused"]
    assert [line["method"] for line in lines] == [
        "signed-session-token",
        "session-token",
        "shared-secret-jwt",
    ]
    assert [line.get("user_id") for line in lines] == [user.id, None, None]
    assert [line.get("reason") for line in lines] == [
        None,
        "its session is unknown or over",
        "no user has this user id",
    ]
    for token, line in zip(attempts, lines, strict=True):
        assert line["token_sha256"] == hashlib.sha256(token.encode()).hexdigest()[:12]
        assert not any(
            session_token in str(value) or token in str(value) for value in line.values()
        )


async def test_a_database_without_the_tables_is_unavailable_until_it_has_them(
    tmp_path: Path,
) -> None:
    layout = LAYOUTS["kysely-sqlite"]
    clock = MovableClock()
    url = f"sqlite:///{tmp_path}/better-auth.db"
    async with trusting(clock, BETTER_AUTH_DATABASE_URL=url) as better_auth:
        await assert_unavailable(better_auth)  # no file
        engine = build_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text('CREATE TABLE "user" (id, name, email)'))
        await assert_unavailable(better_auth)  # no sessions
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE session (id, token)"))
        await assert_unavailable(better_auth)  # no owner of sessions
        async with engine.begin() as connection:
            await connection.execute(text("DROP TABLE session"))
            await connection.execute(text(layout.session_table))
        with pytest.raises(InvalidBetterAuthToken):
            await better_auth.resolve(random_text())
        async with engine.begin() as connection:
            await connection.execute(
                text('ALTER TABLE session RENAME COLUMN "expiresAt" TO expires_at')
            )
        await assert_unavailable(better_auth)
        with pytest.raises(InvalidBetterAuthToken):
            await better_auth.resolve(random_text())
        await engine.dispose()


async def assert_unavailable(better_auth: BetterAuth) -> None:
    with pytest.raises(ServiceUnavailable):
        await better_auth.resolve(random_text())


async def test_a_role_with_the_documented_grants_reads_and_cannot_write(
    postgresql_url: str,
) -> None:
    page = (REPOSITORY / "docs/better-auth.md").read_text()
    (grants,) = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    name = "documented_grants"
    async with (
        postgresql_database(postgresql_url, name) as url,
        deployed(LAYOUTS["kysely-postgresql"], url) as theirs,
    ):
        for statement in grants.split(";")[:-1]:
            await theirs.run(statement.replace("better_auth_db", name))
        session_token = await theirs.sign_in(await theirs.add_user())
        nobody = make_url(url).set(username="nobody").render_as_string(hide_password=False)
        async with trusting(theirs.clock, BETTER_AUTH_DATABASE_URL=nobody) as better_auth:
            await assert_unavailable(better_auth)
        role = make_url(url).set(username="latchkey_reader", password="choose-one")
        ours = role.render_as_string(hide_password=False)
        async with trusting(theirs.clock, BETTER_AUTH_DATABASE_URL=ours) as better_auth:
            assert (await better_auth.resolve(session_token)).session
            await theirs.run("REVOKE SELECT (token) ON public.session FROM latchkey_reader")
            await assert_unavailable(better_auth)
        await theirs.run("DROP OWNED BY latchkey_reader")
        await theirs.run("DROP ROLE latchkey_reader")


async def test_nothing_can_be_written(deployment: Deployment) -> None:
    async with deployment.better_auth._store.reading() as reader:
        with pytest.raises(DBAPIError, match=r"read-?only"):
            await reader._connection.execute(text("CREATE TABLE ours (id text)"))


async def test_a_connection_that_only_read_can_write_again(postgresql_url: str) -> None:
    async with postgresql_database(postgresql_url, "shared") as url:
        engine = build_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text(LAYOUTS["kysely-postgresql"].user_table))
            await connection.execute(text(LAYOUTS["kysely-postgresql"].session_table))
        async with BetterAuthStore(engine).reading() as reader:
            assert await reader.by_email("ada@example.com") == []
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE ours (id text)"))
        assert isinstance(engine.pool, AsyncAdaptedQueuePool)
        assert engine.pool.checkedin() == 1  # it was the same connection
        await engine.dispose()


@pytest.mark.parametrize(
    "stored",
    ["2026-11-21T12:00:00.000Z", "2026-11-21 12:00:00", "2026-11-21T13:00:00+01:00"],
)
def test_times_are_read_in_every_spelling(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "America/New_York")
        time.tzset()
        read = as_utc(stored)
    time.tzset()

    assert read.isoformat() == "2026-11-21T12:00:00+00:00"


@pytest.mark.parametrize("stored", ["soon", None, float("nan"), 10**30, b""])
def test_what_is_no_time_is_never_an_unexpired_one(stored: object) -> None:
    with pytest.raises(ServiceUnavailable):
        as_utc(stored)
