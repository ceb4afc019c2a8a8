"""The token client of the page, against the real API with the network's misfortunes added."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Request, Route, expect

from tests.browser.conftest import Tab
from tests.browser.people import (
    Visitor,
    expect_generation,
    expect_signed_in,
    go_to,
    log_out,
    newest_link,
    refresh_by_hand,
    refreshes_of,
    say,
    sign_up,
    stored_refresh_token,
)
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.browser

REFRESH = "**/auth/refresh"
SHOWN = """
(state) => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


async def key_of(request: Request) -> str:
    return (await request.all_headers())["idempotency-key"]


async def test_tokens_are_refreshed_before_they_expire(tab: Tab, site: str) -> None:
    page = tab.page
    await page.clock.install()
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    refreshes = refreshes_of(page)

    await page.clock.fast_forward("12:00")
    assert refreshes == []

    await page.clock.fast_forward("02:30")
    await expect_generation(page, 1)
    await expect(newest_link(page)).to_contain_text("before expiry")
    assert len(refreshes) == 1


async def test_waking_after_twenty_minutes_asleep_leads_to_exactly_one_refresh(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.clock.install()
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    refreshes = refreshes_of(page)

    await page.clock.fast_forward("20:00")
    await page.evaluate(
        "for (const type of ['pageshow', 'online']) window.dispatchEvent(new Event(type))",
    )
    await expect_generation(page, 1)
    await page.clock.run_for(30_000)

    assert len(refreshes) == 1


async def test_a_hidden_page_refreshes_when_it_is_looked_at_again(tab: Tab, site: str) -> None:
    page = tab.page
    await page.clock.install()
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    refreshes = refreshes_of(page)

    await page.evaluate(SHOWN, "hidden")
    await page.clock.fast_forward("20:00")
    assert refreshes == []
    await page.evaluate(SHOWN, "visible")

    await expect_generation(page, 1)
    assert len(refreshes) == 1


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_an_hour_wrong_causes_no_refresh(
    tab: Tab,
    site: str,
    hours: int,
) -> None:
    page = tab.page
    await page.clock.install(time=datetime.now(UTC) + timedelta(hours=hours))
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    refreshes = refreshes_of(page)

    await page.get_by_role("button", name="Call GET /auth/me").click()
    await expect(page.locator("#call-result [data-part=status]")).to_have_text("200")
    await page.clock.run_for(60_000)

    assert refreshes == []


async def test_a_refused_access_token_is_refreshed_and_the_call_repeated_once(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    bearers: list[str] = []

    async def spoil_the_first(route: Route) -> None:
        bearers.append(route.request.headers["authorization"])
        spoilt = {"authorization": "Bearer spoilt"} if len(bearers) == 1 else {}
        await route.continue_(headers={**route.request.headers, **spoilt})

    await page.route("**/auth/me", spoil_the_first)
    await page.get_by_role("button", name="Call GET /auth/me").click()

    await expect(page.locator("#call-result [data-part=status]")).to_have_text("200")
    await expect(newest_link(page)).to_contain_text("401 from the API")
    assert len(bearers) == 2
    assert bearers[0] != bearers[1]


@pytest.mark.parametrize("with_locks", [True, False])
async def test_ten_refreshes_at_once_are_one_request(
    tab: Tab,
    site: str,
    *,
    with_locks: bool,
) -> None:
    page = tab.page
    if not with_locks:  # as on plain http from another machine
        await page.add_init_script("delete Navigator.prototype.locks")
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    refreshes = refreshes_of(page)

    await page.evaluate(
        "Promise.all(Array.from({ length: 10 }, () => client.refresh('ten at once')))",
    )

    await expect_generation(page, 1)
    assert len(refreshes) == 1


async def test_a_lost_answer_is_asked_for_again_with_the_same_key_also_after_a_reload(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    refreshes = refreshes_of(page)

    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route(REFRESH, lose_the_answer, times=1)
    await page.get_by_role("button", name="Refresh now").click()
    await expect(newest_link(page)).to_contain_text("no answer, token kept")
    await page.reload()

    await expect_generation(page, 1)
    await refresh_by_hand(page, generation=2)
    keys = [await key_of(request) for request in refreshes]
    assert keys[0] == keys[1]
    assert keys[1] != keys[2]
    assert len(bytes.fromhex(keys[0])) >= 16


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_in_trouble_signs_nobody_out(tab: Tab, site: str, status: int) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())

    await page.route(REFRESH, lambda route: route.fulfill(status=status, body=""), times=1)
    await page.get_by_role("button", name="Refresh now").click()

    await expect(newest_link(page)).to_contain_text("no answer, token kept")
    await expect_signed_in(page)
    await refresh_by_hand(page, generation=1)


async def test_a_refused_refresh_token_ends_the_session_and_says_why(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    kept = await stored_refresh_token(page)
    ended = await page.request.post(f"{site}/auth/logout", data={"refresh_token": kept})
    assert ended.status == 204

    await page.get_by_role("button", name="Refresh now").click()

    await expect(page.locator("#ended-reason")).to_contain_text("Your session ended.")
    await expect(newest_link(page)).to_contain_text("session ended")
    assert await stored_refresh_token(page) is None


async def test_logging_out_offline_clears_this_side(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())

    await page.context.set_offline(offline=True)
    await log_out(page)

    await expect(page.locator("#status")).to_contain_text("The API did not answer")
    assert await stored_refresh_token(page) is None


async def test_a_reload_in_the_middle_of_a_refresh_goes_on_with_the_same_key(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    refreshes = refreshes_of(page)
    arrived = asyncio.Event()

    async def never_answer(route: Route) -> None:
        await route.fetch()
        arrived.set()

    await page.route(REFRESH, never_answer, times=1)
    await page.get_by_role("button", name="Refresh now").click()
    await arrived.wait()
    await page.reload()

    await expect_generation(page, 1)
    keys = [await key_of(request) for request in refreshes]
    assert len(keys) == 2
    assert keys[0] == keys[1]


async def test_a_session_that_cannot_be_refreshed_offline_goes_on_by_itself_once_online(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.clock.install()
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())

    await page.context.set_offline(offline=True)
    await page.get_by_role("button", name="Refresh now").click()
    await expect(newest_link(page)).to_contain_text("no answer, token kept")
    await page.context.set_offline(offline=False)
    await page.clock.fast_forward(3_000)

    await expect_generation(page, 1)


async def test_a_refresh_that_is_answered_after_the_log_out_signs_nobody_in(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    arrived, left = asyncio.Event(), asyncio.Event()

    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        arrived.set()
        await left.wait()
        await route.fulfill(response=answer)

    await page.route(REFRESH, answer_late, times=1)
    async with page.expect_response(REFRESH):
        await page.get_by_role("button", name="Refresh now").click()
        await arrived.wait()
        await log_out(page)
        left.set()

    assert await page.evaluate("client.session") is None
    assert await stored_refresh_token(page) is None
    await expect(page.get_by_role("heading", name="Come in")).to_be_visible()


async def test_a_403_leads_to_no_refresh(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    refreshes = refreshes_of(page)
    await page.route("**/auth/me", lambda route: route.fulfill(status=403, json={}))

    await page.get_by_role("button", name="Call GET /auth/me").click()

    await expect(page.locator("#call-result [data-part=status]")).to_have_text("403")
    assert refreshes == []


async def test_a_stream_is_repeated_after_a_401_and_its_message_is_said_once(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())

    async def spoil(route: Route) -> None:
        await route.continue_(headers={**route.request.headers, "authorization": "Bearer spoilt"})

    await page.route("**/chat/message", spoil, times=1)
    await go_to(page, "Chat")
    await say(page, "What does the spleen do?")

    await expect(newest_link(page)).to_contain_text("401 from the API")
    await expect(page.locator("#talk > li")).to_have_count(2)


async def test_a_refresh_token_is_only_ever_sent_to_the_api_that_issued_it(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    from_disk = (REPOSITORY / "frontend_test.html").as_uri()
    elsewhere = site.replace("127.0.0.1", "localhost")  # another base URL, to the page another API
    await page.goto(f"{from_disk}#api={site}")
    await sign_up(page, Visitor())
    refreshes = refreshes_of(page)

    await page.goto(f"{from_disk}#api={elsewhere}")
    await sign_up(page, Visitor())
    assert refreshes == []

    await page.goto(f"{from_disk}#api={site}")
    await expect_generation(page, 1)
    assert [request.url for request in refreshes] == [f"{site}/auth/refresh"]
