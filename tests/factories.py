"""People and problems, made and read through the public API."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from tests.canaries import CANARY

PASSWORD = f"correct horse {CANARY}"


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    email: str
    password: str
    access_token: str
    refresh_token: str
    user: dict[str, Any]

    @property
    def authorization(self) -> dict[str, str]:
        return bearer(self.access_token)


def bearer(access_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}"}


def new_email() -> str:
    return f"person-{secrets.token_hex(8)}@example.com"


async def sign_up(
    client: httpx.AsyncClient,
    *,
    email: str | None = None,
    password: str | None = None,
) -> Person:
    email, password = email or new_email(), password or PASSWORD
    response = await client.post("/auth/signup", json={"email": email, "password": password})
    assert response.status_code == 201, response.text
    return _person(response, email, password)


async def log_in(client: httpx.AsyncClient, person: Person) -> Person:
    """The same person on another device."""
    response = await client.post(
        "/auth/login",
        json={"email": person.email, "password": person.password},
    )
    assert response.status_code == 200, response.text
    return _person(response, person.email, person.password)


async def refresh(
    client: httpx.AsyncClient,
    refresh_token: str,
    *,
    key: str | None = None,
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post(
        "/auth/refresh",
        json={"refresh_token": refresh_token},
        headers=headers,
    )


def problem(response: httpx.Response) -> str:
    """The stable name of the problem that a response is."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert document["status"] == response.status_code
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["success"] is False
    assert document["error"] == document["detail"]
    return str(document["type"]).removeprefix("urn:problem:")


def _person(response: httpx.Response, email: str, password: str) -> Person:
    body = response.json()
    return Person(email, password, body["access_token"], body["refresh_token"], body["user"])
