"""Service clients as the command line registers them, and the tokens of services."""

import base64
import time
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from src.auth.service_clients import ServiceClients
from src.core.clock import utc_now
from src.core.db import build_sessionmaker, unit_of_work
from tests.tokens import signed

PLAIN_HEADER = {"alg": "HS256", "typ": "JWT"}


@dataclass(frozen=True)
class Program:
    """A registered service client."""

    id: str
    secret: str

    @property
    def basic(self) -> dict[str, str]:
        credentials = base64.b64encode(f"{self.id}:{self.secret}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}

    @property
    def in_form(self) -> dict[str, str]:
        return {"client_id": self.id, "client_secret": self.secret}

    async def ask(self, client: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
        return await client.post(f"/auth/{path}", data=form, headers=self.basic)

    async def service_token(self, client: httpx.AsyncClient) -> str:
        response = await self.ask(client, "token", grant_type="client_credentials")
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])


async def register(
    engine: AsyncEngine,
    *,
    customer_id: str | None = None,
    may_introspect: bool = False,
) -> Program:
    async with unit_of_work(build_sessionmaker(engine)) as db:
        client, secret = await ServiceClients(db, clock=utc_now).create(
            name="a program",
            customer_id=customer_id,
            may_introspect=may_introspect,
        )
        return Program(str(client.id), secret)


async def disable(engine: AsyncEngine, program: Program) -> None:
    async with unit_of_work(build_sessionmaker(engine)) as db:
        await ServiceClients(db, clock=utc_now).disable(program.id)


def oauth_error(response: httpx.Response) -> str:
    """The `error` code of an OAuth refusal, which says nothing else but its description."""
    assert response.headers["content-type"] == "application/json", response.text
    assert response.headers["cache-control"] == "no-store"
    document = response.json()
    assert set(document) == {"error", "error_description"}
    return str(document["error"])


def claims_for(customer_id: object, *, seconds: int = 600) -> dict[str, Any]:
    """Claims as another service makes them, good for so many seconds."""
    now = int(time.time())
    return {"customer_id": customer_id, "iat": now, "exp": now + seconds}


def minted(secret: str, customer_id: object = "acme", **change: object) -> str:
    """A service token signed by hand, with some claims changed; None leaves one out."""
    claims = {**claims_for(customer_id), **change}
    kept = {name: value for name, value in claims.items() if value is not None}
    return signed(kept, PLAIN_HEADER, secret=secret)
