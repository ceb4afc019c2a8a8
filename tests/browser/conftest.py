"""A real Chromium against a real server process."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.conftest import migrate
from tests.processes.workers import server_environment, worker_processes
from tests.servers import running_redis

LAUNCH_MS = 120_000.0
PATIENCE_MS = 30_000.0  # five seconds, the library's own, are little beside another worker
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REFUSED = "Failed to load resource: the server responded with a status of 4"
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
  console.error(`policy violation: ${effectiveDirective} ${blockedURI}`));
"""


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser on this machine; without one these tests are skipped, or fail on request."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found:
        return found
    reason = "no Chromium on the PATH; to run the browser tests: apt-get install chromium"
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path, args=ARGUMENTS, timeout=LAUNCH_MS
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def site(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001 - no browser, no server
    """The base URL of a running Latchkey in development, on its own stores."""
    folder = tmp_path_factory.mktemp("site")
    database_url = f"sqlite+aiosqlite:///{folder}/site.db"
    migrate(database_url, "head")
    with running_redis() as redis:
        environment = server_environment(
            database_url=database_url, redis_url=redis.url, ENVIRONMENT="development"
        )
        with worker_processes(1, environment) as (worker,):
            yield worker.base


@dataclass
class Tab:
    """A browser tab with all that it complained about: errors and policy violations."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def unexpected(self) -> list[str]:
        """All but what Chromium itself says of each answer that is a refusal."""
        return [text for text in self.complaints if not text.startswith(REFUSED)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


@pytest.fixture
async def tab(browser: Browser) -> AsyncIterator[Tab]:
    """A fresh tab, sharing no storage with any other test's."""
    context = await browser.new_context()
    await context.add_init_script(REPORT_VIOLATIONS)
    yield Tab(await context.new_page())
    await context.close()
