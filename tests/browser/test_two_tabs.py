"""Two tabs of one browser that share one session, in every place where it can be kept."""

import asyncio
import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Tab
from tests.browser.people import (
    Visitor,
    expect_generation,
    expect_signed_in,
    go_to,
    keep_tokens_in,
    log_out,
    newest_link,
    refresh_by_hand,
    sign_up,
)
from tests.waiting import comes_true

pytestmark = pytest.mark.browser

TEN_CALLS = """
() => Promise.all(Array.from({ length: 10 }, () => client.request("GET", "/auth/me")))
  .then((answers) => answers.map(({ status }) => status))
"""
ACCESS_TOKEN = "() => client.session.accessToken"
STORED = "() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])"


async def second_tab(first: Page) -> Page:
    page = await first.context.new_page()
    await page.goto(first.url)
    await expect_signed_in(page)
    return page


async def refuse(context: BrowserContext, *bearers: str) -> None:
    """From now on the API refuses these access tokens, as when they have expired."""

    async def spoil(route: Route) -> None:
        headers = route.request.headers
        if headers.get("authorization", "").removeprefix("Bearer ") in bearers:
            headers = {**headers, "authorization": "Bearer expired"}
        await route.continue_(headers=headers)

    await context.route("**/auth/me", spoil)


@dataclass
class Refreshes:
    """How many were sent, and how many of them at the same time."""

    sent: int = 0
    under_way: int = 0
    most_at_once: int = 0

    async def pass_on(self, route: Route) -> None:
        self.sent += 1
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        answer = await route.fetch()
        self.under_way -= 1
        await route.fulfill(response=answer)


@pytest.mark.parametrize("place", ["shared", pytest.param("cookie", marks=pytest.mark.faults)])
@pytest.mark.parametrize("with_locks", [True, False])
async def test_twenty_calls_of_two_tabs_with_expired_tokens_all_succeed_in_one_lineage(
    tab: Tab,
    site: str,
    place: str,
    *,
    with_locks: bool,
) -> None:
    first = tab.page
    if not with_locks:  # as on plain http from another machine
        await first.context.add_init_script("delete Navigator.prototype.locks")
    await first.goto(f"{site}/")
    await keep_tokens_in(first, place)
    await sign_up(first, Visitor())
    second = await second_tab(first)
    tabs = (first, second)
    await refuse(first.context, *[await page.evaluate(ACCESS_TOKEN) for page in tabs])
    refreshes = Refreshes()
    await first.context.route("**/auth/refresh", refreshes.pass_on)

    statuses = await asyncio.gather(*(page.evaluate(TEN_CALLS) for page in tabs))

    assert statuses == [[200] * 10] * 2
    assert 1 <= refreshes.sent <= 2
    assert refreshes.most_at_once == 1 or not with_locks
    for page in tabs:  # whichever asks next goes on from where the other stopped
        await page.evaluate("client.refresh('by hand')")
    sessions = await first.evaluate("client.request('GET', '/auth/sessions')")
    assert len(sessions["document"]["sessions"]) == 1
    successors = await first.evaluate("client.session.refreshToken")
    assert successors == await second.evaluate("client.session.refreshToken")


async def test_in_cookie_mode_no_script_finds_the_refresh_token(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await keep_tokens_in(page, "cookie")
    await sign_up(page, Visitor())
    await page.reload()
    await expect(newest_link(page)).to_contain_text("page reload")
    await page.get_by_role("button", name="Refresh now").click()
    await expect(newest_link(page)).to_contain_text("by hand")

    assert "eyJ" not in await page.evaluate(STORED)
    assert await page.evaluate("client.session.refreshToken") is None
    await expect(page.locator("#refresh-token")).to_contain_text("where no script can read it")
    async with page.expect_response("**/auth/logout"):
        await log_out(page)
    assert await comes_true(partial(has_no_cookie, page))
    assert tab.complaints == []


async def cookies(page: Page) -> list[Any]:
    return list(await page.context.cookies())


async def has_no_cookie(page: Page) -> bool:
    return not await cookies(page)


async def test_who_logs_out_offline_in_cookie_mode_loses_the_cookie_once_online(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await keep_tokens_in(page, "cookie")
    await sign_up(page, Visitor())
    await page.context.set_offline(offline=True)
    await log_out(page)
    assert len(await cookies(page)) == 1

    async with page.expect_response("**/auth/logout"):
        await page.context.set_offline(offline=False)

    assert await comes_true(partial(has_no_cookie, page))
    await page.reload()
    await expect(page.get_by_role("heading", name="Come in")).to_be_visible()


async def test_logging_in_and_out_is_seen_in_the_other_tab(tab: Tab, site: str) -> None:
    first = tab.page
    await first.goto(f"{site}/")
    await keep_tokens_in(first, "shared")
    second = await first.context.new_page()
    await second.goto(f"{site}/")

    await sign_up(first, Visitor())
    await expect_signed_in(second)
    await go_to(second, "Chat")
    await log_out(first)

    await expect(second.get_by_role("heading", name="Come in")).to_be_visible()
    await expect(newest_link(second)).to_contain_text("log out in another tab")
    kept = json.loads(await second.evaluate(STORED))
    assert "refreshToken" not in json.dumps(kept)


async def test_a_duplicated_tab_and_its_original_share_one_chain(tab: Tab, site: str) -> None:
    original = tab.page
    await original.goto(f"{site}/")
    await sign_up(original, Visitor())

    async with original.expect_popup() as popup:
        await original.evaluate("void open(location.href)")
    duplicate = await popup.value
    await expect_signed_in(duplicate)

    await expect_generation(original, 1)
    await expect(newest_link(original)).to_contain_text("another tab")
    await refresh_by_hand(original, generation=2)
    await expect_generation(duplicate, 2)
    await log_out(duplicate)
    await expect(original.get_by_role("heading", name="Come in")).to_be_visible()
