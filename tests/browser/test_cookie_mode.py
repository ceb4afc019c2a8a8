"""Cookie mode as a page of the same origin uses it, and as another origin tries to."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Tab
from tests.browser.people import Visitor
from tests.cookies import NAME

pytestmark = pytest.mark.browser

# From the page's own scripts: all that a fetch answers, or the kind of its failure.
CALL = """
async ([url, body, options]) => {
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Token-Mode": "cookie" },
      body: JSON.stringify(body),
      ...options,
    });
    return { status: answer.status, ...(answer.status === 204 ? {} : await answer.json()) };
  } catch (failure) {
    return { failed: failure.name };
  }
}
"""
BY_FORM = """
async (url) => {
  const form = document.body.appendChild(document.createElement("form"));
  Object.assign(form, { method: "post", action: url, enctype: "text/plain" });
  form.submit();
}
"""


async def call(page: Page, url: str, body: object, **options: object) -> dict[str, Any]:
    answer: dict[str, Any] = await page.evaluate(CALL, [url, body, options])
    return answer


async def sign_up(page: Page, site: str) -> dict[str, Any]:
    visitor = Visitor()
    body = {"email": visitor.email, "password": visitor.password}
    answer = await call(page, f"{site}/auth/signup", body)
    assert answer["status"] == 201
    return answer


async def kept_cookie(page: Page) -> Any:
    """The refresh cookie in the browser's own store."""
    return next((c for c in await page.context.cookies() if c.get("name") == NAME), None)


async def test_a_page_of_the_same_origin_signs_up_refreshes_and_logs_out(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    assert (await sign_up(page, site))["refresh_token"] is None

    first = await kept_cookie(page)
    assert (first["httpOnly"], first["secure"], first["sameSite"], first["path"]) == (
        True,
        True,
        "Strict",
        "/",
    )
    assert NAME not in await page.evaluate("document.cookie")
    assert "eyJ" not in await page.evaluate("JSON.stringify([localStorage, sessionStorage])")

    await page.reload()
    renewed = await call(page, f"{site}/auth/refresh", {})
    assert (renewed["status"], renewed["refresh_token"]) == (200, None)
    second = await kept_cookie(page)
    assert second["value"] != first["value"]
    me = await page.evaluate(
        "([url, token]) => fetch(url, { headers: { Authorization: `Bearer ${token}` } })"
        ".then(({ status }) => status)",
        [f"{site}/auth/me", renewed["access_token"]],
    )
    assert me == 200

    assert (await call(page, f"{site}/auth/logout", {})) == {"status": 204}
    assert await kept_cookie(page) is None
    assert (await call(page, f"{site}/auth/refresh", {}))["status"] == 401


async def test_a_script_can_neither_read_nor_plant_nor_replace_the_cookie(
    tab: Tab,
    site: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, site)
    before = await kept_cookie(page)

    for attributes in ("", "; Secure; Path=/", "; Secure; Path=/; Max-Age=0"):
        await page.evaluate(f"document.cookie = '{NAME}=planted{attributes}'")

    assert await kept_cookie(page) == before
    assert (await call(page, f"{site}/auth/refresh", {}))["status"] == 200


@pytest.fixture
def another_port(tmp_path: Path) -> Iterator[str]:
    """A page on another port of the same host: another origin, yet the same site."""
    (tmp_path / "index.html").write_text("<!doctype html><title>elsewhere</title>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=[0.01])
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


async def test_another_origin_of_the_same_site_can_neither_refresh_nor_log_in_nor_out(
    tab: Tab,
    site: str,
    another_port: str,
) -> None:
    page = tab.page
    await page.goto(f"{site}/")
    await sign_up(page, site)
    before = await kept_cookie(page)

    await page.goto(f"{another_port}/")
    for path in ("refresh", "logout", "login"):
        for options in ({"credentials": "include"}, {"credentials": "include", "mode": "no-cors"}):
            answer = await call(page, f"{site}/auth/{path}", {}, **options)
            assert set(answer) == {"failed"}, (path, options)
    async with page.expect_navigation():
        await page.evaluate(BY_FORM, f"{site}/auth/refresh")

    assert await kept_cookie(page) == before
    await page.goto(f"{site}/")
    assert (await call(page, f"{site}/auth/refresh", {}))["status"] == 200
