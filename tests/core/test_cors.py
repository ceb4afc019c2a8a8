"""CORS: which pages of other origins may read our answers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from src.app import create_app
from src.core.middleware import MAX_BODY_BYTES
from tests.conftest import make_settings, running
from tests.factories import problem
from tests.servers import RedisServer

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient

LISTED = "https://app.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, x-token-mode",
}
FOREIGN = [
    "https://evil.example", "http://app.example", "https://app.example.evil.example",
    "https://evil-app.example", "https://app.example:8443", "https://app.example.",
    "https://app.exampleX", "https://sub.app.example", "https://APP.example", "https://app.example/",
    "https://app.example, https://evil.example", "https://user@app.example", "app.example",
    "https://", "file://", "*", "", "https://app\u200b.example", "https://xn--pp-gja.example",
    "chrome-extension://app.example", "https://app.example\x00.evil.example", "Null", "NULL",
]  # fmt: skip


async def client_with(redis: RedisServer, folder: Path, **changes: Any) -> AsyncIterator[Client]:
    settings = make_settings(
        DATABASE_URL=f"sqlite+aiosqlite:///{folder}/cors.db",
        REDIS_URL=redis.url,
        **changes,
    )
    app = create_app(settings)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError

    async with running(app) as client:
        yield client


@pytest.fixture
async def strict(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Client]:
    """One origin listed, `null` not allowed."""
    changes = {"CORS_ORIGINS": LISTED, "CORS_ALLOW_NULL_ORIGIN": False}
    async for client in client_with(redis_server, tmp_path, **changes):
        yield client


@pytest.fixture
async def lenient(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Client]:
    """As in development: pages from `file://` may ask, too."""
    changes = {"CORS_ORIGINS": LISTED, "CORS_ALLOW_NULL_ORIGIN": True}
    async for client in client_with(redis_server, tmp_path, **changes):
        yield client


async def failures(client: Client, origin: str) -> list[httpx.Response]:
    """One answer of each kind: found, 401, 404, 405, 413, 415, 422, 431, 500."""
    headers = {"Origin": origin}
    json = {**headers, "Content-Type": "application/json"}
    answers = [
        await client.get("/healthz", headers=headers),
        await client.get("/auth/me", headers=headers),
        await client.get("/nowhere", headers=headers),
        await client.put("/auth/me", headers=headers),
        await client.post("/auth/login", headers=json, content=b"x" * (MAX_BODY_BYTES + 1)),
        await client.post("/auth/login", headers={**headers, "Content-Type": "a/b"}, content=b"x"),
        await client.post("/auth/signup", headers=json, content=b"{}"),
        await client.get("/healthz", headers={**headers, "X": "x" * 40_000}),
        await client.get("/broken", headers=headers),
    ]
    assert [r.status_code for r in answers] == [200, 401, 404, 405, 413, 415, 422, 431, 500]
    return answers


async def test_a_listed_origin_reads_every_answer_failures_included(strict: Client) -> None:
    for response in await failures(strict, LISTED):
        assert response.headers["access-control-allow-origin"] == LISTED
        assert "access-control-allow-credentials" not in response.headers
        assert "Origin" in response.headers["vary"]
        exposed = response.headers["access-control-expose-headers"].split(", ")
        assert {
            "WWW-Authenticate", "Retry-After", "X-Request-ID", "RateLimit", "RateLimit-Policy",
        } == set(exposed)  # fmt: skip


@pytest.mark.parametrize("origin", [*FOREIGN, "null"])
async def test_any_other_origin_reads_nothing(strict: Client, origin: str) -> None:
    raw = origin.encode()
    for path in ("/healthz", "/auth/me", "/nowhere"):
        response = await strict.get(path, headers=[(b"origin", raw)])
        assert "access-control-allow-origin" not in response.headers
        assert "access-control-allow-credentials" not in response.headers
    preflight = [(b"origin", raw), *((k.encode(), v.encode()) for k, v in PREFLIGHT.items())]
    response = await strict.options("/auth/login", headers=preflight)
    assert (response.status_code, problem(response)) == (400, "cross-origin-refused")
    assert "access-control-allow-origin" not in response.headers
    assert "access-control-allow-methods" not in response.headers


@pytest.mark.parametrize("origin", FOREIGN)
async def test_allowing_null_allows_no_other(lenient: Client, origin: str) -> None:
    response = await lenient.get("/healthz", headers=[(b"origin", origin.encode())])
    assert "access-control-allow-origin" not in response.headers


async def test_null_reads_answers_where_settings_allow_it_and_never_with_cookies(
    lenient: Client,
) -> None:
    for response in await failures(lenient, "null"):
        assert response.headers["access-control-allow-origin"] == "null"
        assert "access-control-allow-credentials" not in response.headers


async def test_production_refuses_null() -> None:
    settings = make_settings(
        ENVIRONMENT="production",
        DATABASE_URL="postgresql://latchkey@database.example/latchkey?sslmode=verify-full",
        REDIS_URL="rediss://redis.example",
        BCRYPT_ROUNDS=12,
    )
    assert not settings.null_origin_allowed


@pytest.mark.parametrize("path", ["/auth/login", "/auth/me", "/chat/message", "/nowhere"])
async def test_a_preflight_of_a_listed_origin_is_granted_without_a_token(
    strict: Client,
    path: str,
) -> None:
    response = await strict.options(path, headers={"Origin": LISTED, **PREFLIGHT})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == LISTED
    methods = set(response.headers["access-control-allow-methods"].split(", "))
    assert methods == {"GET", "POST", "PATCH", "DELETE"}
    allowed = {h.lower() for h in response.headers["access-control-allow-headers"].split(", ")}
    assert {"authorization", "content-type", "idempotency-key", "x-token-mode"} <= allowed
    assert "*" not in allowed
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    "asked",
    [
        {"Access-Control-Request-Method": "TRACE"},
        {"Access-Control-Request-Method": "PUT"},
        {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-evil"},
        {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "*"},
        {"Access-Control-Request-Method": "POST", "Access-Control-Request-Private-Network": "true"},
    ],
)
async def test_a_preflight_for_more_than_we_take_is_refused(
    strict: Client,
    asked: dict[str, str],
) -> None:
    response = await strict.options("/auth/login", headers={"Origin": LISTED, **asked})
    assert (response.status_code, problem(response)) == (400, "cross-origin-refused")


async def test_without_an_origin_there_are_no_cors_headers(strict: Client) -> None:
    response = await strict.get("/healthz")
    assert not [name for name in response.headers if name.startswith("access-control-")]
