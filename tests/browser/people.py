"""What a person does on the test page."""

import re
import secrets
from dataclasses import dataclass, field

from playwright.async_api import Locator, Page, Request, expect

REFRESH_TOKEN = """
() => {
  const name = Object.keys(sessionStorage).find((name) => name.startsWith("latchkey.session tab"));
  return name ? JSON.parse(sessionStorage.getItem(name)).refreshToken : null;
}
"""


AREAS = {
    "Account": "Your account",
    "Sessions": "Sessions",
    "Chat": "Chat",
    "Body": "Body",
    "Attacks": "Attacks",
    "Requests": "Requests",
}


@dataclass(frozen=True)
class Visitor:
    email: str = field(default_factory=lambda: f"ada-{secrets.token_hex(6)}@example.com")
    password: str = field(default_factory=lambda: f"kestrel-{secrets.token_hex(6)}")


async def sign_up(page: Page, visitor: Visitor) -> None:
    await page.fill("#signup-email", visitor.email)
    await page.fill("#signup-password", visitor.password)
    await page.get_by_role("button", name="Create account").click()
    await expect_signed_in(page)


async def log_in(page: Page, visitor: Visitor) -> None:
    await page.fill("#login-email", visitor.email)
    await page.fill("#login-password", visitor.password)
    await page.get_by_role("button", name="Log in", exact=True).click()
    await expect_signed_in(page)


async def log_out(page: Page) -> None:
    await page.get_by_role("button", name="Log out", exact=True).click()
    await expect(page.get_by_role("heading", name="Come in")).to_be_visible()


async def go_to(page: Page, area: str) -> None:
    await page.get_by_role("navigation").get_by_role("link", name=area).click()
    await expect(page.get_by_role("heading", level=2, name=AREAS[area])).to_be_visible()


async def say(page: Page, message: str) -> None:
    """Say something in the open conversation and wait for the whole reply."""
    replies = page.locator("#talk > li.assistant")
    before = await replies.count()
    await page.fill("#chat-message", message)
    await page.get_by_role("button", name="Send").click()
    await expect(replies).to_have_count(before + 1)
    await expect(page.locator("#talk > .writing")).to_have_count(0)


async def keep_tokens_in(page: Page, place: str) -> None:
    """Choose where the refresh token is kept: `tab`, `shared` or `cookie`."""
    await page.locator("#connection-details summary").click()
    await page.check(f"[name=place][value={place}]")
    await page.locator("#connection-details summary").click()


async def refresh_by_hand(page: Page, *, generation: int) -> None:
    await page.get_by_role("button", name="Refresh now").click()
    await expect_generation(page, generation)


async def expect_signed_in(page: Page) -> None:
    await expect(page.get_by_role("heading", name="Your account")).to_be_visible()


async def expect_generation(page: Page, generation: int) -> None:
    """The newest link of the chain is the given generation, and its hash is known."""
    await expect(newest_link(page)).to_contain_text(re.compile(rf"generation {generation}\D"))
    await expect(newest_link(page).locator("code")).to_have_text(re.compile(r"^[0-9a-f]{8}…$"))


def newest_link(page: Page) -> Locator:
    return page.locator("#chain > li").first


async def stored_refresh_token(page: Page) -> str | None:
    kept: str | None = await page.evaluate(REFRESH_TOKEN)
    return kept


def refreshes_of(page: Page) -> list[Request]:
    """Every refresh that the page sends from now on."""
    sent: list[Request] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/auth/refresh"):
            sent.append(request)

    page.on("request", note)
    return sent
