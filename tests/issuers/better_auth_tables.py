"""Better Auth's tables as its adapters make them, filled by the tests as Better Auth would."""

import base64
import hashlib
import hmac
import json
import secrets
import string
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from jwt.algorithms import get_default_algorithms
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from src.core.db import build_engine
from src.core.settings import Settings
from src.issuers.better_auth import BetterAuth, trusting_better_auth
from tests.conftest import MovableClock, make_settings

SECRET = secrets.token_urlsafe(32)
ISSUER = "https://auth.example.com"
_ALPHABET = string.ascii_letters + string.digits

CAMEL = ("userId", "expiresAt", "ipAddress", "userAgent")
SNAKE = ("user_id", "expires_at", "ip_address", "user_agent")


@dataclass(frozen=True)
class Layout:
    """How one adapter lays its tables out: types and names of columns, spelling of times."""

    database: str
    id_type: str
    time_type: str
    names: tuple[str, str, str, str]
    spell: Callable[[datetime], object]
    new_id: Callable[[], str]

    def spell_id(self, text: str) -> object:
        return UUID(text) if self.id_type == "uuid" else text

    @property
    def user_table(self) -> str:
        return (
            f'CREATE TABLE "user" (id {self.id_type} PRIMARY KEY, name text NOT NULL,'
            " email text NOT NULL UNIQUE)"
        )

    @property
    def session_table(self) -> str:
        owner, expires, address, agent = self.names
        return (
            f'CREATE TABLE session (id {self.id_type} PRIMARY KEY, "{expires}" {self.time_type}'
            f' NOT NULL, token text NOT NULL UNIQUE, "{address}" text, "{agent}" text,'
            f' "{owner}" {self.id_type} NOT NULL)'
        )


def random_text() -> str:
    """An id or session token as Better Auth makes them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(32))


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _naive(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(tzinfo=None)


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


LAYOUTS = {
    "kysely-postgresql": Layout(
        "postgresql", "text", "timestamptz", CAMEL, lambda t: t, random_text
    ),
    "prisma-postgresql": Layout(
        "postgresql", "uuid", "timestamp(3)", CAMEL, _naive, lambda: str(uuid4())
    ),
    "drizzle-postgresql": Layout("postgresql", "text", "timestamp", SNAKE, _naive, random_text),
    "kysely-sqlite": Layout("sqlite", "text", "date", CAMEL, _text, random_text),
    "drizzle-sqlite": Layout("sqlite", "text", "integer", SNAKE, _milliseconds, random_text),
    "older-drizzle-sqlite": Layout("sqlite", "text", "integer", SNAKE, _seconds, random_text),
}


@dataclass(frozen=True)
class SomeUser:
    id: str
    email: str


class Deployment:
    """A Better Auth database and ourselves, who trust it."""

    def __init__(self, layout: Layout, writer: AsyncEngine, url: str) -> None:
        self.layout = layout
        self.url = url
        self.clock = MovableClock()
        self.better_auth: BetterAuth
        self._writer = writer

    async def run(self, statement: str, **values: Any) -> None:
        async with self._writer.begin() as connection:
            await connection.execute(text(statement), values)

    async def add_user(self, email: str | None = None) -> SomeUser:
        user = SomeUser(self.layout.new_id(), email or f"{random_text().lower()}@example.com")
        await self.run(
            'INSERT INTO "user" VALUES (:id, :name, :email)',
            id=self.layout.spell_id(user.id),
            name="Ada",
            email=user.email,
        )
        return user

    async def sign_in(self, user: SomeUser, *, lasting: timedelta = timedelta(days=7)) -> str:
        """A new session's token."""
        session_token = random_text()
        await self.run(
            "INSERT INTO session VALUES (:id, :expires, :token, :address, :agent, :owner)",
            id=self.layout.spell_id(self.layout.new_id()),
            expires=self.layout.spell(datetime.now(UTC) + lasting),
            token=session_token,
            address="127.0.0.1",
            agent="a browser",
            owner=self.layout.spell_id(user.id),
        )
        return session_token

    async def sign_out(self, session_token: str) -> None:
        await self.run("DELETE FROM session WHERE token = :token", token=session_token)


@asynccontextmanager
async def deployed(layout: Layout, url: str, **changes: Any) -> AsyncIterator[Deployment]:
    """Better Auth's tables in an empty database, and ourselves reading them."""
    writer = build_engine(url)
    deployment = Deployment(layout, writer, url)
    try:
        await deployment.run(layout.user_table)
        await deployment.run(layout.session_table)
        async with trusting(deployment.clock, BETTER_AUTH_DATABASE_URL=url, **changes) as trusted:
            deployment.better_auth = trusted
            yield deployment
    finally:
        await writer.dispose()


@asynccontextmanager
async def trusting(clock: MovableClock, **changes: Any) -> AsyncIterator[BetterAuth]:
    settings: Settings = make_settings(
        **{"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_ISSUER": ISSUER, **changes}
    )
    engine = create_async_engine("sqlite+aiosqlite://")  # ours, which nothing of this is in
    async with trusting_better_auth(settings, engine, clock) as better_auth:
        assert better_auth is not None
        yield better_auth
    await engine.dispose()


@asynccontextmanager
async def postgresql_database(server_url: str, name: str) -> AsyncIterator[str]:
    """The URL of a database of our own, in whose time zone UTC would be misread."""
    engine = create_async_engine(
        make_url(server_url).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT"
    )
    async with engine.connect() as connection:
        await connection.execute(text(f'CREATE DATABASE "{name}"'))
        await connection.execute(
            text(f"ALTER DATABASE \"{name}\" SET timezone = 'America/New_York'")
        )
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    async with engine.connect() as connection:
        await connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    await engine.dispose()


def signed(session_token: str, secret: str = SECRET) -> str:
    """As the header `set-auth-token` has it."""
    mac = hmac.digest(secret.encode(), session_token.encode(), hashlib.sha256)
    return f"{session_token}.{base64.b64encode(mac).decode()}"


def minted(
    claims: dict[str, Any], *, key: Any = SECRET, algorithm: str = "HS256", **header: Any
) -> str:
    """A JWT that is good for a quarter of an hour, unless its claims say otherwise.

    Members of the header that are None are left out. Libraries would refuse to sign some of these.
    """
    now = int(datetime.now(UTC).timestamp())
    claims = {"iat": now, "exp": now + 900, **claims}
    header = {"alg": algorithm, "typ": "JWT", **header}
    head = {name: value for name, value in header.items() if value is not None}
    signer = get_default_algorithms()[algorithm]
    signing_input = f"{segment(head)}.{segment(claims)}"
    signature = signer.sign(signing_input.encode(), signer.prepare_key(key))
    return f"{signing_input}.{base64url(signature)}"


def segment(document: dict[str, Any]) -> str:
    return base64url(json.dumps(document).encode())


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
