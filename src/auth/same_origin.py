"""Proof that a page of this very origin sent a request. Only browsers need it, for cookies."""

from fastapi import Request

from src.auth.errors import CrossSiteRequest


def require_same_origin(request: Request) -> None:
    """Let a request pass that the browser calls same-origin.

    `same-site` is not enough: a page on another port of localhost is, and gets Strict cookies
    sent. A browser too old for Sec-Fetch-Site must name our own origin; CORS_ORIGINS does not
    count, because nothing that carries cookies is ever for another origin.

    Raises: `CrossSiteRequest`.
    Source: Fetch Metadata Request Headers §2.3, RFC 6454 §7 (Origin).
    """
    headers = request.headers
    site = headers.getlist("sec-fetch-site")
    if site:
        proven = site == ["same-origin"]
    else:
        # A proxy that ends TLS may leave our scheme at http, so https is always ours as well.
        host = headers.get("host", "")
        own = [[f"{scheme}://{host}"] for scheme in (request.scope["scheme"], "https")]
        proven = headers.getlist("origin") in own
    if not proven:
        raise CrossSiteRequest
