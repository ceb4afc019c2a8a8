"""The API docs: Swagger UI with our silent refresh, in Chromium against a real server."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import uvicorn
from playwright.async_api import APIResponse, Locator, Page, Request, Response, Route, expect

from src.app import create_app
from src.core.settings import Settings
from tests.browser.conftest import Tab
from tests.browser.people import Visitor, refreshes_of
from tests.conftest import MovableClock, PassTime

pytestmark = [pytest.mark.browser, pytest.mark.one_database]

STATUS = ".live-responses-table tbody .response-col_status >> nth=0"
CURL = ".curl-command"
# What Chromium itself says about a refused request.
REFUSED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
EXPIRED = timedelta(minutes=16)


@pytest.fixture
async def clocked_site(
    settings: Settings,
    session_clock: MovableClock,
    client: httpx.AsyncClient,  # noqa: ARG001 - empty stores
) -> AsyncIterator[str]:
    """The base URL of a server whose clock the test moves, while that of the browser goes on."""
    app = create_app(settings, clock=session_clock)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who is early waits for the start
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def open_docs(page: Page, site: str) -> None:
    await page.goto(f"{site}/docs")
    await expect(page.locator("button.authorize").first).to_be_visible()


async def authorize_by_password(page: Page, site: str) -> None:
    """As somebody new."""
    visitor = Visitor()
    await signed_up(page, site, visitor)
    await page.locator("button.authorize").first.click()
    await page.fill("#oauth_username", visitor.email)
    await page.fill("#oauth_password", visitor.password)
    form = scheme(page, "OAuth2, password")
    await form.locator("button", has_text="Authorize").click()
    await expect(form.locator("button", has_text="Logout")).to_be_visible()
    await page.locator(".btn-done").first.click()


async def signed_up(page: Page, site: str, visitor: Visitor) -> APIResponse:
    response = await page.request.post(
        f"{site}/auth/signup",
        data={"email": visitor.email, "password": visitor.password},
    )
    assert response.status == 201
    return response


async def access_token_from_the_example(page: Page) -> str:
    """Of the account that signing up makes when nobody changes the example."""
    block = await opened(page, "POST /auth/signup")
    async with page.expect_response("**/auth/signup") as answered:
        await execute_of(block).click()
    await expect_status(block, 201)
    return str((await (await answered.value).json())["access_token"])


async def authorize_by_token(page: Page, access_token: str) -> None:
    await page.locator("button.authorize").first.click()
    form = scheme(page, "AccessToken")
    await form.locator("input").fill(access_token)
    await form.locator("button", has_text="Authorize").click()
    await page.locator(".btn-done").first.click()


async def log_out_of_swagger(page: Page) -> None:
    await page.locator("button.authorize").first.click()
    form = scheme(page, "OAuth2, password")
    await form.locator("button", has_text="Logout").click()
    await page.locator(".btn-done").first.click()


def scheme(page: Page, name: str) -> Locator:
    return page.locator(".auth-container", has_text=name).first


async def opened(page: Page, operation: str) -> Locator:
    """The block of `GET /auth/me`, say."""
    method, path = operation.split()
    block = page.locator(f".opblock-{method.lower()}", has=page.locator(f'[data-path="{path}"]'))
    await block.locator(".opblock-summary-control").click()
    await expect(execute_of(block)).to_be_visible()
    return block


def execute_of(block: Locator) -> Locator:
    return block.get_by_role("button", name="Execute")


async def expect_status(block: Locator, status: int) -> None:
    await expect(block.locator(STATUS)).to_contain_text(str(status))


async def bearer_shown(block: Locator) -> str:
    """The access token in the curl command."""
    shown = re.search(r"Bearer ([\w.-]+)", await block.locator(CURL).inner_text())
    assert shown
    return shown[1]


def hosts_asked(page: Page) -> set[str]:
    """Every host that the page asks from now on."""
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(httpx.URL(request.url).netloc.decode()))
    return hosts


def statuses_of(page: Page, path: str) -> list[int]:
    """The status of every answer from a path from now on."""
    statuses: list[int] = []

    def note(response: Response) -> None:
        if response.url.endswith(path):
            statuses.append(response.status)

    page.on("response", note)
    return statuses


async def key_of(request: Request) -> str:
    return (await request.all_headers())["idempotency-key"]


async def lose_the_answer(route: Route) -> None:
    await route.fetch()
    await route.abort()


async def test_an_expired_call_succeeds_with_one_refresh_also_after_a_lost_answer(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    hosts = hosts_asked(page)
    await page.clock.install()
    await open_docs(page, site)
    await authorize_by_password(page, site)
    me, sessions = await opened(page, "GET /auth/me"), await opened(page, "GET /auth/sessions")
    await execute_of(me).click()
    await expect_status(me, 200)
    first = await bearer_shown(me)
    assert tab.complaints == []

    refreshes = refreshes_of(page)
    await page.route("**/auth/refresh", lose_the_answer, times=1)
    await page.clock.fast_forward("20:00")
    async with page.expect_response("**/auth/me"):
        await execute_of(me).click()
    assert await bearer_shown(me) == first
    await page.evaluate(
        "document.querySelectorAll('button.execute').forEach((button) => button.click())",
    )

    await expect_status(sessions, 200)
    await expect(me.locator(CURL)).not_to_contain_text(first)
    await expect_status(me, 200)
    assert await bearer_shown(me) == await bearer_shown(sessions)
    assert len(refreshes) == 2
    assert len({await key_of(request) for request in refreshes}) == 1
    assert hosts == {httpx.URL(site).netloc.decode()}


@pytest.mark.faults
async def test_a_pasted_token_that_has_expired_is_refreshed_and_sent_again_until_logging_out(
    tab: Tab,
    clocked_site: str,
    pass_time: PassTime,
) -> None:
    page = tab.page
    await open_docs(page, clocked_site)
    access_token = await access_token_from_the_example(page)
    await authorize_by_token(page, access_token)
    refreshes, statuses = refreshes_of(page), statuses_of(page, "/auth/me")

    await pass_time(EXPIRED)
    me = await opened(page, "GET /auth/me")
    await execute_of(me).click()

    await expect_status(me, 200)
    assert statuses == [401, 200]
    assert len(refreshes) == 1
    assert await bearer_shown(me) != access_token

    leaving = await opened(page, "POST /auth/logout")
    await execute_of(leaving).click()
    await expect_status(leaving, 204)
    await execute_of(me).click()

    await expect_status(me, 401)
    assert len(refreshes) == 1
    assert tab.complaints == [REFUSED, REFUSED]


@pytest.mark.faults
async def test_a_token_of_elsewhere_is_sent_as_it_is(tab: Tab, site: str) -> None:
    page, visitor = tab.page, Visitor()
    pair = await (await signed_up(page, site, visitor)).json()
    await page.clock.install()
    await open_docs(page, site)
    await authorize_by_token(page, pair["access_token"])
    refreshes = refreshes_of(page)

    await page.clock.fast_forward("20:00")
    me = await opened(page, "GET /auth/me")
    await execute_of(me).click()

    await expect_status(me, 200)
    assert await bearer_shown(me) == pair["access_token"]
    assert refreshes == []
    assert tab.complaints == []


@pytest.mark.faults
async def test_logging_out_of_swagger_ui_forgets_the_tokens(tab: Tab, site: str) -> None:
    page = tab.page
    await page.clock.install()
    await open_docs(page, site)
    await authorize_by_password(page, site)
    me = await opened(page, "GET /auth/me")
    await execute_of(me).click()
    await expect_status(me, 200)
    access_token = await bearer_shown(me)
    refreshes = refreshes_of(page)

    await log_out_of_swagger(page)
    await authorize_by_token(page, access_token)
    await page.clock.fast_forward("20:00")
    async with page.expect_response("**/auth/me"):
        await execute_of(me).click()

    assert await bearer_shown(me) == access_token
    assert refreshes == []
    assert tab.complaints == []
