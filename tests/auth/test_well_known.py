"""What other services find under /.well-known: public keys, and where which endpoint is."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest

from src.app import create_app
from src.auth.key_file import read_key_file
from src.auth.verifier import LatchkeyVerifier
from src.core.clock import utc_now
from src.core.settings import Settings
from src.first_run.key_rotation import (
    PUBLIC_LEARNT_AFTER,
    kinds_of,
    rotated,
    write_first_key,
    write_key_file,
)
from tests.auth.served_document import served
from tests.conftest import make_settings, running
from tests.factories import refresh, sign_up
from tests.servers import RedisServer
from tests.tokens import header_of

pytestmark = pytest.mark.one_database
JWKS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"


@pytest.fixture(scope="module")
async def asymmetric(
    database_url: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Another server on the same stores: with a retiring, an active and a published key."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    settings = asymmetric_settings(database_url, redis_server.url, path)
    async with running(create_app(settings)) as other:
        yield other


def asymmetric_settings(database_url: str, redis_url: str, path: Path) -> Settings:
    settings = make_settings(
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        JWT_ALGORITHM="ES256",
        JWT_ISSUER="https://auth.example.com",
        JWT_KEYS_FILE=str(path),
    )
    access, sessions = kinds_of(settings)
    now = utc_now() - PUBLIC_LEARNT_AFTER
    write_first_key(settings, now)
    file = read_key_file(path)
    for _ in range(2):
        file = rotated(file, access=access, refresh=sessions, now=now)
        now += PUBLIC_LEARNT_AFTER
    write_key_file(path, file)
    return settings


async def test_secrets_are_never_public(client: httpx.AsyncClient) -> None:
    assert (await client.get(JWKS)).json() == {"keys": []}


async def test_keys_may_be_cached_and_are_asked_for_by_their_etag(
    asymmetric: httpx.AsyncClient,
) -> None:
    answer = await asymmetric.get(JWKS)
    assert answer.headers["cache-control"] == "public, max-age=300"
    known = {"If-None-Match": answer.headers["etag"]}
    again = await asymmetric.get(JWKS, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "public, max-age=300"


async def test_retiring_active_and_published_keys_are_public_and_no_more_of_them(
    asymmetric: httpx.AsyncClient,
) -> None:
    keys = (await asymmetric.get(JWKS)).json()["keys"]
    assert len({key["kid"] for key in keys}) == 3
    for key in keys:
        assert set(key) == {"kty", "crv", "x", "y", "alg", "use", "kid"}
        assert (key["alg"], key["use"], key["crv"]) == ("ES256", "sig", "P-256")


async def test_another_library_verifies_our_tokens_with_the_public_keys(
    asymmetric: httpx.AsyncClient,
) -> None:
    person = await sign_up(asymmetric)
    keys = jwt.PyJWKSet.from_dict((await asymmetric.get(JWKS)).json())
    claims = jwt.decode(
        person.access_token,
        keys[header_of(person.access_token)["kid"]],
        algorithms=["ES256"],
        audience="latchkey-api",
        issuer="https://auth.example.com",
    )
    assert claims["sub"] == person.user["id"]
    assert (await asymmetric.get("/auth/me", headers=person.authorization)).status_code == 200
    renewed = await refresh(asymmetric, person.refresh_token)
    assert header_of(renewed.json()["refresh_token"])["alg"] == "HS256"
    assert header_of(renewed.json()["access_token"])["alg"] == "ES256"


async def test_our_verifier_takes_what_we_publish(asymmetric: httpx.AsyncClient) -> None:
    person = await sign_up(asymmetric)
    with served((await asymmetric.get(JWKS)).content) as document:
        verifier = LatchkeyVerifier(
            jwks_url=document.url,
            revocations_url=document.url,
            issuer="https://auth.example.com",
            when_stale="accept",
        )
        with verifier.follow():
            assert str(verifier.verify(person.access_token).user_id) == person.user["id"]


async def test_the_servers_metadata_names_every_endpoint_by_the_issuer(
    asymmetric: httpx.AsyncClient,
) -> None:
    answer = await asymmetric.get(METADATA)
    document = answer.json()
    assert document["issuer"] == "https://auth.example.com"
    assert document["token_endpoint"] == "https://auth.example.com/auth/token"
    assert document["jwks_uri"] == f"https://auth.example.com{JWKS}"
    assert document["grant_types_supported"] == ["client_credentials"]
    assert answer.headers["cache-control"] == "public, max-age=300"


async def test_the_endpoints_that_the_metadata_names_are_there(client: httpx.AsyncClient) -> None:
    answer = await client.get(METADATA)
    document = answer.json()
    # The issuer is no address, so it is the one that we were asked by; for nobody else.
    assert document["issuer"] == "http://testserver"
    assert answer.headers["cache-control"] == "no-store"
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        assert (await client.post(document[name])).status_code not in (404, 405), name
    assert (await client.get(document["jwks_uri"])).status_code == 200
