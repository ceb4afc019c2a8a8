"""Addresses of other services that the settings name."""

from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qs, urlsplit


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


def is_redis_overheard(url: str) -> bool:
    """The same of a Redis, and of one that anybody could pose as.

    Sentinels and nodes of a cluster name further servers, so that loopback proves nothing there.
    """
    parts = urlsplit(url)
    if parts.scheme.startswith("rediss"):
        options = parse_qs(parts.query.lower())
        return "none" in options.get("ssl_cert_reqs", []) or bool(
            {"false", "0", "no"}.intersection(options.get("ssl_check_hostname", [])),
        )
    if parts.scheme == "redis":
        return not _is_on_this_machine(parts)
    return parts.scheme != "unix"


def is_postgresql_overheard(url: str) -> bool:
    """The same of a PostgreSQL: only `verify-full` knows whom it talks to."""
    parts = urlsplit(url)
    verified = parse_qs(parts.query).get("sslmode") == ["verify-full"]
    return not verified and not _is_on_this_machine(parts)


def _is_on_this_machine(parts: SplitResult) -> bool:
    """Whether every host that a URL names is loopback, or the folder of a Unix socket."""
    named = [*parse_qs(parts.query).get("host", []), *parts.netloc.rpartition("@")[2].split(",")]
    hosts = [host if host.startswith("/") else urlsplit(f"//{host}").hostname for host in named]
    return all(not host or host.startswith("/") or _is_loopback(host) for host in hosts)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
