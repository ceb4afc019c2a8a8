"""A real Better Auth server, and ourselves, who trust it."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from src.issuers.better_auth import BetterAuth
from tests.conftest import MovableClock
from tests.issuers.better_auth_tables import postgresql_database, trusting
from tests.servers import free_port

HERE = Path(__file__).parent
STOP_SECONDS = 60.0
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js with the packages in place; without them these tests are skipped, or fail."""
    found = shutil.which("node")
    if found and (HERE / "node_modules" / "better-auth").is_dir():
        return found
    reason = "no Node.js, or its packages are not installed: make test-interop"
    if os.environ.get("REQUIRE_NODE") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class SignedIn:
    """What Better Auth hands to somebody who signs in."""

    user_id: str
    session_token: str  # of the body
    signed_token: str  # of the header set-auth-token
    cookie: str  # percent-encoded
    cookie_cache: str


class Server:
    """Better Auth over HTTP, as its own clients use it."""

    trusted: BetterAuth  # ourselves

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self.secret = secret
        self._client = httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=30)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def ask(self, method: str, path: str, *, token: str = "", **options: Any) -> Any:
        """The JSON of an answer. Cookies are not kept: the token alone says who asks."""
        response = await self.answer(method, path, token=token, **options)
        return response.json()

    async def answer(
        self, method: str, path: str, *, token: str = "", **options: Any
    ) -> httpx.Response:
        self._client.cookies.clear()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await self._client.request(method, path, headers=headers, **options)
        assert response.status_code == 200, response.text
        return response

    async def sign_up(self, email: str) -> SignedIn:
        return await self._enter(
            "/api/auth/sign-up/email", {"email": email, "password": PASSWORD, "name": "Ada"}
        )

    async def sign_in(self, email: str) -> SignedIn:
        return await self._enter("/api/auth/sign-in/email", {"email": email, "password": PASSWORD})

    async def sign_out(self, session_token: str) -> None:
        await self.answer("POST", "/api/auth/sign-out", token=session_token, json={})

    async def jwt(self, session_token: str) -> str:
        return str((await self.ask("GET", "/api/auth/token", token=session_token))["token"])

    async def _enter(self, path: str, body: dict[str, str]) -> SignedIn:
        response = await self.answer("POST", path, json=body)
        cookies = {
            name: value
            for header in response.headers.get_list("set-cookie")
            for name, _, value in [header.partition(";")[0].partition("=")]
        }
        entered = response.json()
        return SignedIn(
            user_id=entered["user"]["id"],
            session_token=entered["token"],
            signed_token=response.headers["set-auth-token"],
            cookie=cookies["better-auth.session_token"],
            cookie_cache=cookies["better-auth.session_data"],
        )


@contextmanager
def _listening(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        said = process.stdout.readline()  # nothing at all if it ends before it is ready
        assert said == "ready\n", f"Better Auth did not start: {said}"
        yield
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        process.stdout.close()


Start = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture(scope="session")
def start_on(node: str) -> Start:
    """Starts a server on a database; its options are those of the plugin `jwt`."""

    @asynccontextmanager
    async def start_on(
        database_url: str, *, cache_strategy: str = "jwt", **jwt_options: Any
    ) -> AsyncIterator[Server]:
        port, secret = free_port(), secrets.token_urlsafe(32)
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "PORT": str(port),
            "BETTER_AUTH_SECRET": secret,
            "JWT_OPTIONS": json.dumps(jwt_options),
            "CACHE_STRATEGY": cache_strategy,
        }
        with _listening([node, str(HERE / "better_auth_server.mjs")], environment):
            server = Server(f"http://127.0.0.1:{port}", secret)
            yield server
            await server.aclose()

    return start_on


@pytest.fixture(scope="session")
def start(start_on: Start, postgresql_url: str) -> Start:
    """The same on a database of its own, and trusted."""

    @asynccontextmanager
    async def start(**options: Any) -> AsyncIterator[Server]:
        name = f"better_auth_{secrets.token_hex(8)}"
        async with (
            postgresql_database(postgresql_url, name) as database_url,
            start_on(database_url, **options) as server,
        ):
            settings = {
                "BETTER_AUTH_SECRET": server.secret,
                "BETTER_AUTH_ISSUER": server.url,
                "BETTER_AUTH_DATABASE_URL": database_url,
            }
            async with trusting(MovableClock(), **settings) as server.trusted:
                yield server

    return start
