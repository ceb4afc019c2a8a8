"""The page for everybody: axe, the keyboard alone, the narrowest screen, less motion."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.conftest import Tab
from tests.browser.people import AREAS, Visitor, expect_signed_in, go_to, say, sign_up

pytestmark = pytest.mark.browser

OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
OPEN = """
[...document.querySelectorAll("main details, aside details")]
  .filter((details) => !details.closest("#requests > li + li"))
  .forEach((details) => { details.open = true; })
"""
# WCAG 2.2, levels A and AA, as axe tags it, and what it calls best practice.
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
FOCUSED = "document.activeElement.closest('[id]').id"


async def every_area(page: Page, site: str) -> AsyncIterator[str]:
    """Each state of the page, filled: signed out, then one area after the other."""
    await page.goto(f"{site}/")
    yield "signed out"
    await sign_up(page, Visitor())
    for area in AREAS:
        await go_to(page, area)
        if area == "Chat":
            await say(page, "Donaudampfschifffahrtsgesellschaft" * 5)
        if area == "Body":
            await note_something(page)
        if area == "Attacks":
            await page.get_by_role("button", name="Run all checks").click()
            await expect(page.locator("#score .badge")).to_have_text("all good", timeout=60_000)
        await page.evaluate(OPEN)
        yield area


async def note_something(page: Page) -> None:
    await page.get_by_role("button", name="Left knee, front").click()
    await page.locator("#found button").first.click()
    await page.get_by_role("button", name="Add a record").click()
    await page.fill("#record-severity", "9")
    await page.get_by_role("button", name="Save record").click()
    await expect(page.locator("#records > li")).to_have_count(1)
    await page.get_by_role("button", name="Edit").click()


@pytest.mark.faults
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 320)])
async def test_no_area_has_a_barrier_or_has_to_be_scrolled_sideways(
    tab: Tab,
    site: str,
    theme: Literal["light", "dark"],
    width: int,
) -> None:
    page = tab.page
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    await page.set_viewport_size({"width": width, "height": 700})
    async for area in every_area(page, site):
        found = await Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{area}: {found.generate_report()}"
        assert await page.evaluate(OVERHANG) == 0, area
    for toggle in await page.locator("[data-do^=reveal]").all():
        await toggle.click()
    assert await page.evaluate(OVERHANG) == 0


async def test_a_person_gets_in_notes_something_and_leaves_by_the_keyboard_alone(
    tab: Tab,
    site: str,
) -> None:
    page, visitor = tab.page, Visitor()
    keys = page.keyboard
    await page.goto(f"{site}/")

    await keys.press("Tab")
    await keys.press("Enter")
    await page.wait_for_function(f"{FOCUSED} === 'content'")
    for text in (visitor.email, "", visitor.password):
        await keys.press("Tab")
        await keys.type(text)
    await keys.press("Enter")
    await expect_signed_in(page)
    await page.wait_for_function(f"{FOCUSED} === 'account-title'")

    await page.get_by_role("navigation").get_by_role("link", name="Body").focus()
    await keys.press("Enter")
    head = page.get_by_role("button", name="Head, front")
    await expect(head).to_be_visible()
    await keys.press("Tab")
    await expect(head).to_be_focused()
    await keys.press("ArrowRight")
    await expect(page.get_by_role("button", name="Face, front")).to_be_focused()
    await keys.press("Enter")
    await expect(page.locator("#found-title")).to_contain_text("parts: face")
    await page.locator("#found button").first.focus()
    await keys.press("Enter")
    await expect(page.locator("#part-title")).to_be_focused()

    await page.get_by_role("button", name="Log out", exact=True).focus()
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name="Come in")).to_be_focused()
    assert tab.complaints == []


async def test_nothing_moves_for_who_asked_for_less_motion(tab: Tab, site: str) -> None:
    page = tab.page
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())

    assert await page.evaluate("document.getAnimations().length") == 0
    newest = page.locator(".chain .current .link-number")
    await expect(newest).to_have_css("animation-name", "none")


async def test_the_chosen_theme_is_kept(tab: Tab, site: str) -> None:
    page = tab.page
    await page.emulate_media(color_scheme="light")
    await page.goto(f"{site}/")

    await page.get_by_role("button", name="Dark theme").click()
    await page.reload()

    await expect(page.locator("body")).to_have_css("background-color", "rgb(13, 19, 17)")
    await expect(page.get_by_role("button", name="Light theme")).to_be_visible()
