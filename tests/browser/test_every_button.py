"""Every button of the page is used: a button that no step presses fails the test."""

from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Tab
from tests.browser.people import (
    Visitor,
    expect_signed_in,
    go_to,
    log_in,
    log_out,
    newest_link,
    refresh_by_hand,
    say,
    sign_up,
)

pytestmark = pytest.mark.browser

# Notes what is pressed and, each time, which buttons there are. A button is named by its action,
# or by the form that it sends.
NOTE_BUTTONS = """
addEventListener("click", ({ target }) => {
  const name = (button) => button.dataset.do ?? `send ${button.form.id}`;
  const note = (key, names) => {
    const known = new Set(JSON.parse(sessionStorage.getItem(key) ?? "[]"));
    sessionStorage.setItem(key, JSON.stringify([...known, ...names]));
  };
  const pressed = target.closest("button");
  if (pressed) note("test.pressed", [name(pressed)]);
  note("test.seen", [...document.querySelectorAll("button")].map(name));
}, true);
"""
NOTED = "(key) => JSON.parse(sessionStorage.getItem(`test.${key}`))"


async def press(page: Page, action: str, nth: int = 0) -> None:
    await page.locator(f"button[data-do={action}]:visible").nth(nth).click()


async def api(page: Page, method: str, path: str, body: object = None) -> Any:
    """A request of the signed-in person past the page's own controls."""
    return await page.evaluate(
        "async ([method, path, json]) => (await client.request(method, path, { json })).document",
        [method, path, body],
    )


async def use_account(page: Page, visitor: Visitor) -> Visitor:
    """Ends signed in. The visitor, with their new password."""
    await press(page, "theme")
    await page.locator("#connection-details summary").click()
    await page.get_by_role("button", name="Connect").click()
    await press(page, "create-demo")
    await page.get_by_role("button", name="Log in as ada").click()
    await expect_signed_in(page)
    await log_out(page)
    await press(page, "peek")
    await sign_up(page, visitor)
    await log_out(page)
    await log_in(page, visitor)
    await press(page, "call")
    await expect(page.locator("#call-result")).to_contain_text(visitor.email)
    await page.fill("#profile-username", visitor.password)
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#person-name")).to_have_text(visitor.password)
    changed = replace(visitor, password=Visitor().password)
    await page.get_by_text("Change password").first.click()
    await page.fill("#password-current", visitor.password)
    await page.fill("#password-new", changed.password)
    await page.locator("#password .primary").click()
    await expect(newest_link(page)).to_contain_text("password change")
    return changed


async def use_tokens(page: Page) -> None:
    for action in ("reveal-access", "reveal-refresh", "copy-access", "copy-refresh"):
        await press(page, action)
        await expect(page.locator("#status")).not_to_be_empty()
    await expect(page.locator("#access-token .signature")).to_be_visible()
    await refresh_by_hand(page, generation=1)


async def use_sessions(page: Page, visitor: Visitor) -> None:
    credentials = {"email": visitor.email, "password": visitor.password}
    for _ in range(2):
        await api(page, "POST", "/auth/login", credentials)
    for _ in range(12):  # so that the history has a second page
        await api(page, "POST", "/auth/login", {**credentials, "password": "wrong"})
    await go_to(page, "Sessions")
    await expect(page.locator("#sessions > li")).to_have_count(3)
    await press(page, "more-events")
    await expect(page.locator("#events")).to_contain_text("Password change")
    await press(page, "end-session")
    await expect(page.locator("#sessions > li")).to_have_count(2)
    await expect(page.locator("#events")).to_contain_text("Ended by owner")
    await press(page, "log-out-others")
    await expect(page.locator("#sessions > li")).to_have_count(1)
    await press(page, "load-sessions")
    await expect(page.locator("#events")).to_contain_text("Logout others")


async def use_chat(page: Page) -> None:
    for number in range(20):
        await api(page, "POST", "/chat/session/new", {"title": f"Number {number}"})
    await go_to(page, "Chat")
    await press(page, "suggest")
    await expect(page.locator("#talk > li.assistant")).to_have_count(1)
    await say(page, "And the liver?")
    await press(page, "more-conversations")
    await expect(page.locator("#conversations li")).to_have_count(21)
    await press(page, "rename-conversation")
    await press(page, "ask-no")
    await press(page, "rename-conversation")
    await page.fill("#ask-text", "About the spleen")
    await page.keyboard.press("Enter")
    await press(page, "delete-conversation")
    await expect(page.locator("#ask-title")).to_have_text("Delete “About the spleen”?")
    await page.locator("#ask-yes").click()
    await press(page, "new-conversation")
    await press(page, "open-conversation")
    await expect(page.locator("#chat-title")).to_contain_text("Number")


async def use_long_conversation(page: Page) -> None:
    opened = await api(page, "POST", "/chat/session/new", {"initial_message": "Hello 0"})
    for number in range(1, 21):
        body = {"session_id": opened["session"]["id"], "message": f"Hello {number}"}
        await api(page, "POST", "/chat/message", body)
    await go_to(page, "Account")
    await go_to(page, "Chat")
    await page.locator("#conversations button").first.click()
    await expect(page.locator("#talk > li")).to_have_count(2)
    await press(page, "earlier")
    await expect(page.locator("#talk > li")).to_have_count(40)
    await expect(page.locator("#talk > li").first).to_contain_text("Hello 0")
    await press(page, "later")
    await expect(page.locator("#talk > li.user").last).to_contain_text("Hello 20")


async def use_stop(page: Page) -> None:
    network = await page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": 300, "uploadThroughput": -1}
    await network.send("Network.emulateNetworkConditions", slow)
    await page.fill("#chat-message", "What is the liver? What is the heart? What is the spleen?")
    await page.get_by_role("button", name="Send").click()
    await press(page, "stop")
    await expect(page.locator("#stop")).to_be_hidden()
    await network.send("Network.emulateNetworkConditions", {**slow, "downloadThroughput": -1})
    await network.detach()


async def use_body(page: Page) -> None:
    await go_to(page, "Body")
    await page.get_by_text("The same as a list").click()
    await page.get_by_role("button", name="Left knee", exact=True).click()
    await press(page, "open-part")
    await press(page, "add-record")
    await press(page, "cancel-record")
    await press(page, "add-record")
    await expect(page.locator("#record-side")).to_have_value("left")
    await page.fill("#record-severity", "8")
    await page.get_by_role("button", name="Save record").click()
    await expect(page.locator("#front-left-knee")).to_have_attribute("data-level", "3")
    await expect(page.locator("#front-left-knee")).to_have_accessible_name(
        "Left knee, front, 1 record",
    )
    await press(page, "edit-record")
    await page.fill("#record-severity", "2")
    await page.get_by_role("button", name="Save record").click()
    await expect(page.locator("#back-left-knee")).to_have_attribute("data-level", "1")
    await press(page, "delete-record")
    await page.locator("#ask-yes").click()
    await expect(page.locator("#front-left-knee")).not_to_have_attribute("data-level", "1")


async def use_attacks_and_log(page: Page) -> None:
    await go_to(page, "Attacks")
    await press(page, "attack")
    await expect(page.locator("#attack-0")).to_contain_text("pass")
    await press(page, "run-checks")
    await expect(page.locator("#score")).to_contain_text("all good", timeout=60_000)
    await go_to(page, "Requests")
    await page.locator("#requests details").first.click()
    await press(page, "copy-curl")
    await press(page, "clear-log")
    await expect(page.locator("#log-empty")).to_be_visible()


@pytest.mark.faults
async def test_every_button_of_the_page_does_its_work(tab: Tab, site: str) -> None:
    page = tab.page
    await page.add_init_script(NOTE_BUTTONS)
    await page.goto(f"{site}/")

    visitor = await use_account(page, Visitor())
    await use_tokens(page)
    await use_sessions(page, visitor)
    await use_chat(page)
    await use_long_conversation(page)
    await use_stop(page)
    await use_body(page)
    await use_attacks_and_log(page)
    await go_to(page, "Sessions")
    await press(page, "log-out-everywhere")
    await expect(page.get_by_role("heading", name="Come in")).to_be_visible()

    assert set(await page.evaluate(NOTED, "seen")) == set(await page.evaluate(NOTED, "pressed"))
    assert tab.unexpected == []
