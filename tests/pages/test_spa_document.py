"""docs/spa.md shows the page's own code, and nothing else."""

import re

import pytest

from src.pages.router import TEST_PAGE
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.one_database

DOCUMENT = (REPOSITORY / "docs/spa.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```js\n(.*?)```", DOCUMENT, re.DOTALL)


def without_indentation(code: str) -> str:
    return "\n".join(line.strip() for line in code.strip().splitlines())


def test_the_document_has_a_snippet_for_each_thing_that_it_explains() -> None:
    assert len(SNIPPETS) == DOCUMENT.count("```") // 2 >= 10


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_is_in_the_page_word_for_word(snippet: str) -> None:
    page = TEST_PAGE.read_text(encoding="utf-8")

    assert without_indentation(snippet) in without_indentation(page)


def test_the_token_client_knows_nothing_of_the_page() -> None:
    page = TEST_PAGE.read_text(encoding="utf-8")
    scripts = re.findall(r"<script>\n(.*?)</script>", page, re.DOTALL)
    to_lift = [script for script in scripts if "knows nothing of" in script]

    assert len(to_lift) == 2
    for name in ("byId", "getElementById", "querySelector", "ACTIONS", "say("):
        assert name not in "".join(to_lift)
