"""What is served for browsers, and under which policy."""

import base64
import gzip
import hashlib
import re

import httpx
import pytest
from fastapi import FastAPI

from src.pages.router import SWAGGER_UI_FILES, TEST_PAGE, build_pages_router, policy_for

pytestmark = pytest.mark.one_database

KILOBYTE = 1000


def sha256_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.fixture
def pages() -> httpx.AsyncClient:
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(build_pages_router())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


def test_the_policy_names_the_hash_of_each_inline_block_and_nothing_else() -> None:
    page = "<style>p{}</style><script>\nfirst()\n</script><p>x</p><script>second(1 < 2)</script>"

    assert policy_for(page) == (
        "default-src 'none'; "
        f"script-src {sha256_source(chr(10) + 'first()' + chr(10))} "
        f"{sha256_source('second(1 < 2)')}; "
        f"style-src {sha256_source('p{}')}; "
        "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def test_a_page_without_inline_blocks_may_run_nothing() -> None:
    assert "script-src 'none'; style-src 'none'" in policy_for("<p>plain</p>")


async def test_the_test_page_is_served_as_it_is_on_disk(pages: httpx.AsyncClient) -> None:
    answer = await pages.get("/")

    assert answer.status_code == 200
    assert answer.text == TEST_PAGE.read_text(encoding="utf-8")
    assert answer.headers["content-security-policy"] == policy_for(answer.text)


async def test_the_docs_load_only_files_of_this_server(pages: httpx.AsyncClient) -> None:
    page = await pages.get("/docs")
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert {address.removeprefix("docs/") for address in wanted} == {*SWAGGER_UI_FILES, "docs.js"}
    for address in wanted:
        assert (await pages.get(f"/{address}")).status_code == 200
    assert "unsafe" not in page.headers["content-security-policy"]


def test_the_test_page_is_small_and_builds_no_markup_from_text() -> None:
    page = TEST_PAGE.read_text(encoding="utf-8")

    assert len(page.encode()) <= 120 * KILOBYTE
    assert len(gzip.compress(page.encode())) <= 35 * KILOBYTE
    for forbidden in (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write",
        r"\sstyle=",
        r"\son\w+=",
    ):
        assert not re.search(forbidden, page), forbidden
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)


def test_passwords_are_masked_and_left_to_password_managers() -> None:
    page = TEST_PAGE.read_text(encoding="utf-8")

    fields = re.findall(r"<input\b[^>]*password[^>]*>", page)
    of_passwords = [field for field in fields if 'autocomplete="username"' not in field]

    assert len(of_passwords) == 4  # sign-up, log-in, the current and the new one
    for field in of_passwords:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(?:current|new)-password"', field)
        assert "maxlength" not in field
    assert not re.search(r"""(?:on|["'])paste""", page)
