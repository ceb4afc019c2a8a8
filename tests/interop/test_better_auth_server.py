"""Tokens that a real Better Auth server gives out, from the sign-up to the sign-out."""

import asyncio
import time
from collections.abc import AsyncIterator

import jwt
import pytest

from src.issuers.better_auth import InvalidBetterAuthToken, Method, NoActiveSessions
from tests.factories import new_email
from tests.interop.conftest import Server, Start

pytestmark = pytest.mark.interop

SETTLE_SECONDS = 60.0
ALGORITHMS = {
    "EdDSA": {},
    "ES256": {"jwks": {"keyPairConfig": {"alg": "ES256"}}},
    "RS256": {"jwks": {"keyPairConfig": {"alg": "RS256"}}},
}


@pytest.fixture(scope="module")
async def server(start: Start) -> AsyncIterator[Server]:
    async with start() as server:
        yield server


async def assert_refused(server: Server, *tokens: str) -> None:
    for token in tokens:
        with pytest.raises(InvalidBetterAuthToken):
            await server.trusted.resolve(token)


async def test_who_signs_up_is_known_by_each_spelling_of_the_session_token(
    server: Server,
) -> None:
    email = new_email()
    signed_up = await server.sign_up(email)
    signed_in = await server.sign_in(email)

    for token, method in (
        (signed_in.session_token, Method.SESSION_TOKEN),
        (signed_in.signed_token, Method.SIGNED_SESSION_TOKEN),
        (signed_in.cookie, Method.SIGNED_SESSION_TOKEN),
        (signed_in.cookie_cache, Method.COOKIE_CACHE),
    ):
        identity = await server.trusted.resolve(token)
        assert (identity.user.id, identity.user.email) == (signed_up.user_id, email)
        assert (identity.user.name, identity.method) == ("Ada", method)
        assert len(identity.sessions) == 2
        assert identity.session in identity.sessions
    assert "%" in signed_in.cookie


async def test_a_sign_out_there_is_felt_here_at_once(server: Server) -> None:
    email = new_email()
    left, right = await server.sign_up(email), await server.sign_in(email)
    identity = await server.trusted.resolve(left.session_token)
    assert await server.trusted.still_accepts(identity)

    await server.sign_out(left.session_token)

    assert not await server.trusted.still_accepts(identity)
    await assert_refused(
        server, left.session_token, left.signed_token, left.cookie, left.cookie_cache
    )
    assert len((await server.trusted.resolve(right.session_token)).sessions) == 1


async def test_a_jwt_outlives_its_session_but_not_the_last_of_its_user(server: Server) -> None:
    signed_in = await server.sign_up(new_email())
    token = await server.jwt(signed_in.session_token)
    identity = await server.trusted.resolve(token)
    assert (identity.user.id, identity.session) == (signed_in.user_id, None)

    await server.sign_out(signed_in.session_token)

    with pytest.raises(NoActiveSessions):
        await server.trusted.resolve(token)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_jwts_of_every_algorithm_are_verified_with_the_keys_it_publishes(
    start: Start, algorithm: str
) -> None:
    async with start(**ALGORITHMS[algorithm]) as server:
        signed_in = await server.sign_up(new_email())
        token = await server.jwt(signed_in.session_token)

        identity = await server.trusted.resolve(token)

        assert jwt.get_unverified_header(token)["alg"] == algorithm
        assert (identity.user.id, identity.method) == (
            signed_in.user_id,
            Method.PUBLISHED_KEY_JWT,
        )
        head, _, signature = token.rpartition(".")
        await assert_refused(server, f"{head}.{signature[::-1]}")


async def test_a_new_key_is_believed_and_the_old_one_as_long_as_it_is_published(
    start: Start,
) -> None:
    async with start(jwks={"rotationInterval": 3}) as server:
        signed_in = await server.sign_up(new_email())
        before = await server.jwt(signed_in.session_token)
        await server.trusted.resolve(before)
        deadline = time.monotonic() + SETTLE_SECONDS
        after = before
        while kid(after) == kid(before) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            after = await server.jwt(signed_in.session_token)
        assert kid(after) != kid(before)

        identity = await server.trusted.resolve(after)

        assert identity.user.id == signed_in.user_id
        assert (await server.trusted.resolve(before)).user.id == signed_in.user_id


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_links_of_its_e_mails_sign_nobody_in(server: Server) -> None:
    email, new = new_email(), new_email()
    signed_in = await server.sign_up(email)
    await server.ask("POST", "/api/auth/send-verification-email", json={"email": email})
    link = (await server.ask("GET", "/mails"))[email]
    await server.answer("GET", f"/api/auth/verify-email?token={link}")
    await server.ask(
        "POST",
        "/api/auth/change-email",
        token=signed_in.session_token,
        json={"newEmail": new},
    )
    mails = await server.ask("GET", "/mails")

    assert (jwt.decode(link, options={"verify_signature": False}))["email"] == email
    assert len(mails) > 1
    await assert_refused(server, *mails.values())


@pytest.mark.parametrize(
    ("strategy", "options"),
    [("compact", {}), ("jwe", {}), ("jwt", {"sessionCookieCache": True})],
)
async def test_other_cookie_caches_are_no_bearer_tokens(
    start: Start, strategy: str, options: dict[str, bool]
) -> None:
    async with start(cache_strategy=strategy, **options) as server:
        signed_in = await server.sign_up(new_email())

        await assert_refused(server, signed_in.cookie_cache)


async def test_a_session_token_is_worth_nothing_at_another_server(
    server: Server, start: Start
) -> None:
    async with start() as other:
        there = await other.sign_up(new_email())

        await assert_refused(
            server,
            there.session_token,
            there.signed_token,
            there.cookie_cache,
            await other.jwt(there.session_token),
        )
