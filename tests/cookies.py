"""The refresh cookie as browsers send and get it."""

import httpx

from tests.factories import Person

NAME = "__Host-Http-refresh"
CLEARED = f"{NAME}=; Secure; HttpOnly; SameSite=Strict; Path=/; Max-Age=0"
SAME_ORIGIN = {"X-Token-Mode": "cookie", "Sec-Fetch-Site": "same-origin"}


def cookie(refresh_token: str) -> dict[str, str]:
    return {"Cookie": f"{NAME}={refresh_token}"}


def cookie_of(response: httpx.Response) -> str:
    """The refresh token that an answer leaves in the browser."""
    assert response.is_success, response.text
    (line,) = response.headers.get_list("set-cookie")
    name, _, value = str(line).partition(";")[0].partition("=")
    assert name == NAME
    return value


async def log_in_by_cookie(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    return await client.post(
        "/auth/login",
        json={"email": person.email, "password": person.password},
        headers=SAME_ORIGIN,
    )
