"""What every answer says of itself to browsers, whatever it is."""

import httpx
import pytest
from fastapi import FastAPI

from tests.conftest import REPOSITORY
from tests.factories import problem, sign_up

pytestmark = pytest.mark.one_database

Client = httpx.AsyncClient

A_YEAR = 365 * 86_400
PAGES = ("/", "/docs")
# JSON, a picture, styles, scripts, an icon, 404, 200, 405, and 204 without a body.
ADDRESSES = (
    "GET /healthz", "GET /openapi.json", "GET /anatomy/body.svg", "GET /docs/swagger-ui.css",
    "GET /docs/docs.js", "GET /docs/favicon-32x32.png", "GET /.well-known/jwks.json",
    "GET /nowhere", "GET /chat/sessions", "PUT /auth/me", "POST /auth/logout",
)  # fmt: skip


@pytest.fixture
async def answers(client: Client) -> list[httpx.Response]:
    """One of each kind, all but the pages, under TLS and to somebody who is signed in."""
    headers = (await sign_up(client)).authorization
    found = []
    for address in ADDRESSES:
        method, path = address.split()
        found.append(await client.request(method, f"https://testserver{path}", headers=headers))
    return found


async def test_what_is_no_page_loads_nothing_and_is_framed_nowhere(
    answers: list[httpx.Response],
) -> None:
    for answer in answers:
        (policy,) = answer.headers.get_list("content-security-policy")
        directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
        assert directives == {
            **dict.fromkeys(
                ("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'"
            ),
            "sandbox": "",
        }, answer.url


async def test_a_page_keeps_the_policy_that_it_works_under(client: Client) -> None:
    for page in PAGES:
        (policy,) = (await client.get(page)).headers.get_list("content-security-policy")
        for directive in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert directive in policy
        assert "sandbox" not in policy
        assert "unsafe" not in policy


async def test_every_body_says_its_type_and_every_text_its_charset(
    client: Client, answers: list[httpx.Response]
) -> None:
    answers += [await client.get(page) for page in PAGES]
    for answer in answers:
        kind, _, charset = answer.headers.get("content-type", "").partition("; charset=")
        assert kind or not answer.content, answer.url
        if kind.startswith("text/"):
            assert charset == "utf-8", answer.url
        elif kind.endswith("xml"):
            assert answer.content.decode("utf-8").startswith("<"), (
                answer.url
            )  # UTF-8 is its default


async def test_under_tls_every_answer_demands_tls_for_a_year_at_least(
    answers: list[httpx.Response],
) -> None:
    for answer in answers:
        age, *more = answer.headers["strict-transport-security"].split("; ")
        assert int(age.removeprefix("max-age=")) >= A_YEAR
        assert "includeSubDomains" in more


async def test_no_file_and_no_folder_of_the_project_is_served(client: Client, app: FastAPI) -> None:
    there = [path.name for path in REPOSITORY.iterdir()]
    assert {"src", "pyproject.toml"} <= set(there)
    inside = [".git/config", ".git/HEAD", "src/main.py", "docs/asvs.md", ".local/keys.json"]
    for name in (".env", ".svn/entries", *there, *inside, *(f"{each}/" for each in there)):
        if f"/{name}" not in {"/docs", *app.openapi()["paths"]}:
            assert problem(await client.get(f"/{name}")) == "not-found", name
