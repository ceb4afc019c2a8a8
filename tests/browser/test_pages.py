"""The page from disk, on a narrow screen, with wrong input; and the API docs."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Tab
from tests.browser.people import Visitor, expect_generation, refresh_by_hand, refreshes_of, sign_up
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.browser

NARROWEST = {"width": 320, "height": 640}
OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def test_the_page_works_from_disk(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{(REPOSITORY / 'frontend_test.html').as_uri()}#api={site}")

    await sign_up(page, Visitor())
    await refresh_by_hand(page, generation=1)
    await page.reload()
    await expect_generation(page, 2)

    assert tab.complaints == []


async def test_a_screen_of_320_pixels_needs_no_sideways_scrolling(tab: Tab, site: str) -> None:
    page = tab.page
    await page.set_viewport_size(NARROWEST)  # type: ignore[arg-type]
    await page.goto(f"{site}/")
    assert await page.evaluate(OVERHANG) == 0

    await sign_up(page, Visitor())
    await page.fill("#chat-message", "Donaudampfschifffahrtsgesellschaft" * 5)
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("#talk > li")).to_have_count(2)
    await page.get_by_role("button", name="Call GET /anatomy/").click()
    await expect(page.locator("#call-result")).to_be_visible()
    for toggle in await page.locator("[data-part=reveal]").all():
        await toggle.click()
    await page.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")

    assert await page.evaluate(OVERHANG) == 0


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

    commands = await page.locator("#requests pre").all_text_contents()

    assert any("$ACCESS" in command for command in commands)
    assert any("$PASSWORD" in command for command in commands)
    everything = "\n".join(commands)
    assert visitor.password not in everything
    assert "eyJ" not in everything


async def test_the_docs_authorize_by_password_and_call_a_protected_route(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await authorize_in_docs(page, site)

    me = await execute_in_docs(page, "/auth/me")

    await expect(me.locator(STATUS)).to_contain_text("200")
    assert tab.complaints == []


async def test_the_docs_refresh_an_expired_access_token_and_show_the_new_one(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.clock.install()
    await authorize_in_docs(page, site)
    me = await execute_in_docs(page, "/auth/me")
    first = await me.locator(".curl-command").inner_text()
    refreshes = refreshes_of(page)

    await page.clock.fast_forward("20:00")
    await me.get_by_role("button", name="Execute").click()

    await expect(me.locator(".curl-command")).not_to_have_text(first)
    await expect(me.locator(STATUS)).to_contain_text("200")
    assert len(refreshes) == 1
    assert tab.complaints == []


STATUS = ".live-responses-table tbody .response-col_status >> nth=0"


async def authorize_in_docs(page: Page, site: str) -> None:
    visitor = Visitor()
    signed_up = await page.request.post(
        f"{site}/auth/signup",
        data={"email": visitor.email, "password": visitor.password},
    )
    assert signed_up.status == 201
    await page.goto(f"{site}/docs")
    await page.locator("button.authorize").first.click()
    await page.fill("#oauth_username", visitor.email)
    await page.fill("#oauth_password", visitor.password)
    form = page.locator(".auth-container", has_text="OAuth2, password")
    await form.locator("button", has_text="Authorize").click()
    await expect(form.locator("button", has_text="Logout")).to_be_visible()
    await page.locator(".btn-done").first.click()


async def execute_in_docs(page: Page, path: str) -> Locator:
    """Call a GET route in Swagger UI; its block, with the answer in it."""
    block = page.locator(".opblock-get", has=page.locator(f'[data-path="{path}"]'))
    await block.locator(".opblock-summary-control").click()
    await block.get_by_role("button", name="Execute").click()
    await expect(block.locator(STATUS)).to_be_visible()
    return block
