"""The test page at `/` and Swagger UI at `/docs`, each under its own strict policy."""

import base64
import hashlib
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

TEST_PAGE: Final = Path(__file__).resolve().parents[2] / "frontend_test.html"

SWAGGER_UI_FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}

DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def build_pages_router() -> APIRouter:
    """Routes for the browser, read from their files once, here.

    Raises: OSError when a file of the pages is missing.
    """
    router = APIRouter(include_in_schema=False)
    _add_test_page(router)
    _add_docs(router)
    return router


def policy_for(page: str) -> str:
    """A Content-Security-Policy under which exactly the page's own scripts and styles run.

    Hashes and not a nonce: the page stays a plain file, which also works from `file://`.
    Source: CSP Level 3 §2.3.1 (hash sources), Trusted Types §4.
    """
    inline = _InlineSources.of(page)
    return (
        f"default-src 'none'; script-src {inline['script']}; style-src {inline['style']}; "
        "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


class _InlineSources(HTMLParser):
    """Collects the text of each inline script and style."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._open: str | None = None

    @classmethod
    def of(cls, page: str) -> dict[str, str]:
        """Per element name its CSP source list: hashes, or `'none'`."""
        parser = cls()
        parser.feed(page)
        parser.close()
        return {
            name: " ".join(_csp_hash(text) for text in texts) or "'none'"
            for name, texts in parser.texts.items()
        }

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in self.texts:
            self._open = tag
            self.texts[tag].append("")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open][-1] += data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._open = None


def _csp_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _add_test_page(router: APIRouter) -> None:
    # Read with universal newlines: browsers hash what is between the tags with LF only.
    page = TEST_PAGE.read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": policy_for(page), "Cache-Control": "no-cache"}

    @router.get("/")
    async def test_page() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)


def _add_docs(router: APIRouter) -> None:
    own_files = resources.files("src.pages")
    page = own_files.joinpath("docs.html").read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": DOCS_POLICY, "Cache-Control": "no-cache"}

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)

    _add_file(router, own_files.joinpath("docs.js").read_bytes(), "docs.js", "text/javascript")
    swagger_ui = resources.files("fastapi_swagger.resources")
    for name, media_type in SWAGGER_UI_FILES.items():
        _add_file(router, swagger_ui.joinpath(name).read_bytes(), name, media_type)


def _add_file(router: APIRouter, content: bytes, name: str, media_type: str) -> None:
    async def file() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    router.add_api_route(f"/docs/{name}", file, name=name)
