"""The main job, done by a person in a browser."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Tab
from tests.browser.people import (
    Visitor,
    expect_generation,
    expect_signed_in,
    go_to,
    log_in,
    log_out,
    refresh_by_hand,
    say,
    sign_up,
    stored_refresh_token,
)

pytestmark = pytest.mark.browser


async def test_a_person_signs_up_comes_back_chats_refreshes_and_leaves_for_good(
    tab: Tab,
    site: str,
) -> None:
    page, visitor = tab.page, Visitor()
    await page.goto(f"{site}/")

    await sign_up(page, visitor)
    await page.reload()
    await expect_signed_in(page)
    await expect_generation(page, 1)
    await log_out(page)

    await log_in(page, visitor)
    await go_to(page, "Chat")
    await say(page, "Where is my heart?")
    await refresh_by_hand(page, generation=1)
    await go_to(page, "Account")
    await expect(page.locator("#person-name")).to_have_text(visitor.email)
    await expect(page.locator("#person-email")).to_be_hidden()
    await page.fill("#profile-username", f"ada-{visitor.password[-6:]}")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#person-name")).to_have_text(f"ada-{visitor.password[-6:]}")
    await expect(page.locator("#person-email")).to_have_text(visitor.email)
    await expect(page.locator("#person-email")).to_be_visible()

    last = await stored_refresh_token(page)
    await log_out(page)

    assert last is not None
    assert await stored_refresh_token(page) is None
    refused = await page.request.post(f"{site}/auth/refresh", data={"refresh_token": last})
    assert refused.status == 401
    assert (await refused.json())["type"] == "urn:problem:invalid-refresh-token"
    assert tab.complaints == []


async def test_a_conversation_is_there_again_after_a_reload(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())
    await go_to(page, "Chat")
    await say(page, "What is a <b>femur</b>?")

    await page.reload()

    await expect(page.locator("#talk > li.user")).to_contain_text("What is a <b>femur</b>?")
    await expect(page.locator("#talk > li")).to_have_count(2)


async def test_a_changed_password_opens_a_fresh_session_and_ends_the_old_one(
    tab: Tab,
    site: str,
) -> None:
    page, visitor, renewed = tab.page, Visitor(), Visitor()
    await page.goto(f"{site}/")
    await sign_up(page, visitor)
    before = await stored_refresh_token(page)

    await page.get_by_text("Change password").first.click()
    await page.fill("#password-current", visitor.password)
    await page.fill("#password-new", renewed.password)
    await page.locator("#password .primary").click()

    await expect(page.locator("#chain > li").first).to_contain_text("password change")
    old = await page.request.post(f"{site}/auth/refresh", data={"refresh_token": before})
    assert old.status == 401
    await refresh_by_hand(page, generation=1)


@pytest.mark.parametrize("route", ["GET /auth/me", "POST /auth/verify", "GET /anatomy/"])
async def test_every_protected_route_answers_on_the_page(tab: Tab, site: str, route: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())

    await page.get_by_role("button", name=f"Call {route}").click()

    await expect(page.locator("#call-result [data-part=route]")).to_have_text(route)
    await expect(page.locator("#call-result [data-part=status]")).to_have_text("200")
    assert tab.complaints == []
