"""The page from disk, with wrong input, and what it gives away."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Tab
from tests.browser.people import Visitor, expect_generation, go_to, refresh_by_hand, sign_up
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.browser


async def test_the_page_works_from_disk(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{(REPOSITORY / 'frontend_test.html').as_uri()}#api={site}")

    await sign_up(page, Visitor())
    await refresh_by_hand(page, generation=1)
    await page.reload()
    await expect_generation(page, 2)
    await go_to(page, "Body")
    await expect(page.get_by_role("button", name="Chest, front")).to_be_visible()

    assert tab.complaints == []


async def test_a_problem_stands_next_to_the_field_that_caused_it(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await page.fill("#signup-email", "not an address")
    await page.fill("#signup-password", "a-perfectly-good-passphrase")

    await page.get_by_role("button", name="Create account").click()

    email = page.locator("#signup-email")
    await expect(email).to_have_attribute("aria-invalid", "true")
    await expect(email).to_be_focused()
    await expect(page.locator("#signup-email-error")).not_to_be_empty()
    await expect(page.locator("#signup-password-error")).to_be_empty()


async def test_a_wrong_password_is_said_once_for_the_whole_form(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await page.fill("#login-email", Visitor().email)
    await page.fill("#login-password", "not-this-one")

    await page.get_by_role("button", name="Log in").click()

    await expect(page.locator("#login [role=alert]")).not_to_be_empty()
    await expect(page.locator("#requests > li").first).to_contain_text("401")


async def test_a_copied_curl_command_names_secrets_and_holds_none(tab: Tab, site: str) -> None:
    page, visitor = tab.page, Visitor()
    await page.goto(f"{site}/")
    await sign_up(page, visitor)
    await page.get_by_role("button", name="Call GET /auth/me").click()
    await expect(page.locator("#call-result")).to_be_visible()

    await go_to(page, "Requests")
    for request in await page.locator("#requests details").all():
        await request.locator("summary").click()

    everything = "\n".join(await page.locator("#requests pre").all_text_contents())
    assert {"$ACCESS", "$PASSWORD", "$REFRESH"} <= set(re.findall(r"\$[A-Z]+", everything))
    assert visitor.password not in everything
    assert "eyJ" not in everything

    await page.check("#with-secrets")
    everything = "\n".join(await page.locator("#requests pre").all_text_contents())
    assert visitor.password in everything
    assert "Authorization: Bearer eyJ" in everything
