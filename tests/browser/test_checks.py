"""The page's own checks: the journey of two people, and the attacks that it shows."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Tab
from tests.browser.people import Visitor, expect_generation, expect_signed_in, go_to, sign_up
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.browser


async def outcome_of_all_checks(page: Page) -> dict[str, Any]:
    await go_to(page, "Attacks")
    await page.get_by_role("button", name="Run all checks").click()
    await expect(page.locator("#score .badge")).to_have_text("all good", timeout=60_000)
    outcome: dict[str, Any] = await page.evaluate("window.__results")
    return outcome


async def test_the_journey_and_every_attack_pass_and_touch_nobody_elses_session(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, Visitor())

    outcome = await outcome_of_all_checks(page)

    attacks = await page.locator(".attack").count()
    assert attacks == 10
    assert (outcome["failed"], outcome["passed"]) == (0, len(outcome["results"]))
    assert all(result["pass"] and result["actual"] for result in outcome["results"])
    assert await page.locator(".attack [data-tone=good]").count() == attacks
    await expect_generation(page, 0)
    assert tab.unexpected == []


@pytest.mark.faults
async def test_all_of_it_passes_from_disk_as_well(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{(REPOSITORY / 'frontend_test.html').as_uri()}#api={site}")

    outcome = await outcome_of_all_checks(page)

    assert outcome["failed"] == 0
    last = outcome["results"][-1]
    assert (last["name"], last["actual"].split(",")[0]) == (
        "Refresh as another site would",
        "403 cross-site-request",
    )
    assert tab.unexpected == []


async def test_an_attack_that_succeeds_fails(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await page.route("**/auth/me", lambda route: route.fulfill(status=200, json={}))
    await go_to(page, "Attacks")

    await page.get_by_role("button", name="Try it alg: none").click()

    attack = page.locator(".attack", has_text="alg: none")
    await expect(attack).to_contain_text("3 × 200")
    await expect(attack.locator(".badge")).to_have_text("fail")


async def test_two_demo_accounts_are_made_and_lead_in(tab: Tab, site: str) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await page.get_by_role("button", name="Create two demo accounts").click()

    await page.get_by_role("button", name="Log in as ben").click()

    await expect_signed_in(page)
    await expect(page.locator("#person-email")).to_contain_text("ben-")
