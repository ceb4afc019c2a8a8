"""A server to fuzz, with everybody whom its operations are for."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from src.core.db import build_engine
from src.first_run.accounts import add_user
from tests.clients import Program, register
from tests.conftest import make_settings, migrate
from tests.issuers.better_auth_tables import LAYOUTS, Deployment
from tests.processes.workers import Worker, server_environment, worker_processes
from tests.servers import running_redis

# Not that of the examples, with which a run would change it, and know it no longer.
PASSWORD = "kites over a windy harbour"
LAYOUT = LAYOUTS["kysely-sqlite"]


@dataclass(frozen=True)
class Target:
    """A server that answers, and what it shares with Better Auth."""

    worker: Worker
    database_url: str
    session_token: str

    @property
    def base(self) -> str:
        return self.worker.base

    def add_person(self, name: str, *, role: str | None = None) -> dict[str, str]:
        """An account, and what to log in with."""
        credential = {"email": f"{name}@example.com", "password": PASSWORD}
        settings = make_settings(DATABASE_URL=self.database_url)
        add_user(settings, **credential, username=None, role=role)
        return credential

    def authorization_of(self, name: str) -> str:
        """That of a new person, for a quarter of an hour."""
        credential = self.add_person(name)
        response = httpx.post(f"{self.base}/auth/login", json=credential, trust_env=False)
        return f"Bearer {response.raise_for_status().json()['access_token']}"

    def everybody(self) -> dict[str, Any]:
        """An administrator, a service client, a service and somebody of Better Auth, by scheme."""
        program = asyncio.run(self._registered())
        return {
            "AccessToken": self.add_person("root", role="admin"),
            "ServiceClient": program.basic["Authorization"],
            "ServiceToken": f"Bearer {self._service_token(program)}",
            "BetterAuthToken": f"Bearer {self.session_token}",
        }

    async def _registered(self) -> Program:
        engine = build_engine(self.database_url)
        try:
            return await register(engine, customer_id="acme", may_introspect=True)
        finally:
            await engine.dispose()

    def _service_token(self, program: Program) -> str:
        response = httpx.post(
            f"{self.base}/auth/token",
            data={"grant_type": "client_credentials"},
            headers=program.basic,
            trust_env=False,
        )
        return str(response.raise_for_status().json()["access_token"])


@contextmanager
def target_on(database_url: str, folder: Path, **changes: str) -> Iterator[Target]:
    """A server on an empty database, with Better Auth's tables in a file of their own."""
    migrate(database_url, "head")
    better_auth_url = f"sqlite+aiosqlite:///{folder}/better-auth.db"
    session_token = asyncio.run(_signed_in_at(better_auth_url))
    with running_redis() as redis:
        environment = server_environment(
            database_url=database_url,
            redis_url=redis.url,
            BETTER_AUTH_SECRET=secrets.token_urlsafe(48),
            BETTER_AUTH_DATABASE_URL=better_auth_url,
            **changes,
        )
        with worker_processes(1, environment) as (worker,):
            yield Target(worker, database_url, session_token)


async def _signed_in_at(url: str) -> str:
    engine = build_engine(url)
    deployment = Deployment(LAYOUT, engine, url)
    try:
        await deployment.run(LAYOUT.user_table)
        await deployment.run(LAYOUT.session_table)
        return await deployment.sign_in(await deployment.add_user())
    finally:
        await engine.dispose()
