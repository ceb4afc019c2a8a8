"""What people ask for, as requests whose answer may be anything: in a race, or during a fault."""

import httpx

from tests.factories import Person

NEW_PASSWORD = "another horse, another battery"


async def logging_in(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    credentials = {"email": person.email, "password": person.password}
    return await client.post("/auth/login", json=credentials)


async def signing_up(
    client: httpx.AsyncClient,
    *,
    email: str,
    password: str,
) -> httpx.Response:
    return await client.post("/auth/signup", json={"email": email, "password": password})


async def changing_password(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    change = {"current_password": person.password, "new_password": NEW_PASSWORD}
    return await client.post("/auth/password", json=change, headers=person.authorization)


async def logging_out(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    """With the access token."""
    return await client.post("/auth/logout", headers=person.authorization)


async def logging_out_by_refresh_token(
    client: httpx.AsyncClient,
    person: Person,
) -> httpx.Response:
    return await client.post("/auth/logout", json={"refresh_token": person.refresh_token})


async def logging_out_everywhere(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    return await client.post(
        "/auth/logout",
        json={"scope": "global"},
        headers=person.authorization,
    )


async def disabling(
    client: httpx.AsyncClient,
    person: Person,
    *,
    administrator: Person,
) -> httpx.Response:
    """What an administrator does to somebody's account."""
    return await client.patch(
        f"/admin/users/{person.user['id']}",
        json={"is_active": False},
        headers=administrator.authorization,
    )
