"""`python -m src.cli doctor`: what works here, what is missing, and what mends it."""

import asyncio
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from redis.exceptions import RedisError

from src.auth.key_file import is_open_to_others
from src.auth.keys import Keys
from src.core.redis import build_redis
from src.core.settings import ENV_FILE, ConfigurationError, Settings, load_settings
from src.first_run.embedded_redis import running_instance
from src.first_run.failures import CommandFailure
from src.first_run.private_files import OWNER_ONLY_FILE
from src.first_run.redis_binary import find_redis_server
from src.first_run.run import LOCAL, makes_first_secrets, require_redis
from src.first_run.schema import require_current
from src.issuers.configuration import read_issuers

LEAST_PYTHON: Final = (3, 11)


class Verdict(StrEnum):
    """`WARNING` works, though not as it should; `PROBLEM` keeps Latchkey from working."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"

    @property
    def sign(self) -> str:
        return {"ok": "✓", "warning": "!", "problem": "✗"}[self.value]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `detail` says what mends it where something is wrong."""

    name: str
    verdict: Verdict
    detail: str


def examine() -> Iterator[Finding]:
    """Every finding, in the order in which things would be mended."""
    yield _python()
    if makes_first_secrets():
        yield Finding(ENV_FILE, Verdict.WARNING, "none yet. `make run` writes one, with secrets")
        yield _embedded_redis()
        return
    yield _env_file(Path(ENV_FILE))
    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield from (Finding("Settings", Verdict.PROBLEM, line) for line in error.problems)
        return
    yield Finding("Settings", Verdict.OK, f"valid, for {settings.ENVIRONMENT}")
    yield _keys(settings)
    yield from _issuers(settings)
    yield _database(settings)
    yield _redis(settings)


def _issuers(settings: Settings) -> Iterator[Finding]:
    """Nothing where nobody is trusted."""
    try:
        issuers = read_issuers(settings)
    except ConfigurationError as error:
        yield from (Finding("Issuers", Verdict.PROBLEM, line) for line in error.problems)
        return
    if issuers:
        yield Finding("Issuers", Verdict.OK, f"{len(issuers)} trusted")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < LEAST_PYTHON:
        return Finding("Python", Verdict.PROBLEM, f"{version}: install Python 3.11 or newer")
    return Finding("Python", Verdict.OK, version)


def _env_file(path: Path) -> Finding:
    if not path.exists():
        return Finding(path.name, Verdict.OK, "none; the environment is the configuration")
    others = stat.S_IMODE(path.stat().st_mode) & ~OWNER_ONLY_FILE
    if others:
        return Finding(
            path.name, Verdict.WARNING, f"others can read it. Run: chmod 600 {path.name}"
        )
    return Finding(path.name, Verdict.OK, "readable by you alone")


def _keys(settings: Settings) -> Finding:
    path = Path(settings.JWT_KEYS_FILE)
    if not path.exists() and settings.JWT_ALGORITHM == "HS256":
        return Finding("Keys", Verdict.OK, "those of the settings")
    if not path.exists() and not settings.is_production:
        return Finding("Keys", Verdict.OK, "none yet; `make run` makes the first pair")
    if path.exists() and is_open_to_others(path) and not settings.is_production:
        return Finding("Keys", Verdict.WARNING, f"others can read them. Run: chmod 600 {path}")
    try:
        algorithm = Keys(settings).access.active.algorithm
    except ConfigurationError as error:
        return Finding("Keys", Verdict.PROBLEM, str(error))
    return Finding("Keys", Verdict.OK, f"{algorithm}, also from {path}")


def _database(settings: Settings) -> Finding:
    if not settings.is_production and _is_unmade_sqlite(settings.DATABASE_URL):
        return Finding("Database", Verdict.OK, "none yet; `make run` makes it")
    return _unless_it_fails(
        "Database", lambda: require_current(settings.DATABASE_URL), "answers, with all its tables"
    )


def _is_unmade_sqlite(database_url: str) -> bool:
    scheme, _, path = database_url.partition(":///")
    return scheme.startswith("sqlite") and not Path(path.partition("?")[0]).exists()


def _redis(settings: Settings) -> Finding:
    redis_url = settings.REDIS_URL
    if redis_url is None:
        return _embedded_redis()
    finding = _unless_it_fails("Redis", lambda: require_redis(redis_url), "answers")
    return _redis_policy(redis_url) if finding.verdict is Verdict.OK else finding


def _embedded_redis() -> Finding:
    instance = running_instance(LOCAL)
    if instance is not None:
        detail = f"embedded, running for {instance.get('serving_at', 'a server that starts')}"
        return Finding("Redis", Verdict.OK, detail)
    return _unless_it_fails("Redis", find_redis_server, "embedded; starts with `make run`")


def _redis_policy(redis_url: str) -> Finding:
    """Sessions must neither be evicted nor be lost with the process."""
    try:
        memory, persistence = asyncio.run(_info(redis_url, "memory", "persistence"))
    except RedisError:
        return Finding("Redis", Verdict.WARNING, "answers, but hides its policy (INFO)")
    if memory.get("maxmemory_policy", "noeviction") != "noeviction":
        return Finding(
            "Redis", Verdict.WARNING, "evicts sessions. Run: CONFIG SET maxmemory-policy noeviction"
        )
    if not persistence.get("aof_enabled"):
        return Finding("Redis", Verdict.WARNING, "forgets sessions. Run: CONFIG SET appendonly yes")
    return Finding("Redis", Verdict.OK, "answers; keeps sessions (noeviction, append-only file)")


async def _info(redis_url: str, *sections: str) -> list[dict[str, Any]]:
    """Sections of INFO; in a cluster, those of one of its nodes."""
    redis = build_redis(redis_url)
    try:
        return [await redis.info(section) for section in sections]
    finally:
        await redis.aclose()


def _unless_it_fails(name: str, check: Callable[[], object], detail: str) -> Finding:
    try:
        check()
    except CommandFailure as failure:
        return Finding(name, Verdict.PROBLEM, str(failure))
    return Finding(name, Verdict.OK, detail)
