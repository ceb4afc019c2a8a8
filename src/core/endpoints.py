"""Addresses of other services that the settings name."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def check_endpoint(url: str) -> None:
    """Raises: ValueError, without the URL, for what is no plain http:// or https:// address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username or parts.password:
        raise ValueError("must not hold a name or password: the key has a setting of its own")
    if parts.query or parts.fragment:
        raise ValueError("must end with its path, such as /v1")


def is_overheard(url: str) -> bool:
    """Whether others on the way could read along: neither encrypted nor on this machine."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
