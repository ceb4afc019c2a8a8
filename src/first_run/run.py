"""`python -m src.cli run`: everything that the server needs, then the server, then a clean end."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from src.auth.keys import Keys
from src.core.clock import utc_now
from src.core.logging import configure_logging
from src.core.redis import build_redis
from src.core.settings import ENV_FILE, Settings, load_settings, raw_setting
from src.first_run.accounts import seed_demo_users
from src.first_run.announcement import Announcement, Say, announce_when_ready
from src.first_run.embedded_redis import embedded_redis
from src.first_run.failures import ExitCode, RedisUnavailable
from src.first_run.key_rotation import write_first_key
from src.first_run.listening import reachable_at, take_address, url_of
from src.first_run.metric_files import shared_metrics
from src.first_run.schema import migrate
from src.first_run.secret_file import SECRET_NAMES, generate_secrets
from src.first_run.serving import ServerOptions, serve
from src.issuers.configuration import read_issuers

LOCAL: Final = Path(".local")
REDIS_SECONDS: Final = 2.0


def run(options: ServerOptions, *, say: Say) -> None:
    """Serve until SIGINT or SIGTERM, and leave nothing running.

    Raises: `ConfigurationError`, `CommandFailure`.
    """
    with _ending_in_order(), ExitStack() as stack:
        _generate_first_secrets(say)
        settings = load_settings()
        configure_logging(settings.LOG_LEVEL)
        _check_keys(settings, say)
        read_issuers(settings)  # what is wrong with their file is told before the port opens
        listener = stack.enter_context(take_address(options.host, options.port, local=LOCAL))
        is_embedded = settings.REDIS_URL is None
        if settings.REDIS_URL is None:
            redis = embedded_redis(LOCAL, serving_at=url_of(listener))
            os.environ["REDIS_URL"] = stack.enter_context(redis)
        elif not settings.is_production:
            require_redis(settings.REDIS_URL)
        migrate(settings.DATABASE_URL)
        announcement = Announcement(
            settings=settings,
            url=url_of(listener),
            redis_is_embedded=is_embedded,
            demo_login=None if settings.is_production else seed_demo_users(settings, LOCAL),
        )
        if settings.METRICS == "on" and options.workers > 1:
            port = listener.getsockname()[1]
            stack.enter_context(shared_metrics(LOCAL, port=port))
        announce_when_ready(announcement, reachable_at(listener), say)
        serve(options, listener)


def require_redis(redis_url: str) -> None:
    """Raises: `RedisUnavailable` when nothing answers PING at the URL."""
    try:
        asyncio.run(_ping(redis_url))
    except (RedisError, OSError, ValueError) as error:
        parts = urlsplit(redis_url)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        raise RedisUnavailable(
            f"Redis does not answer at {shown}: refresh tokens live there. "
            "Run: make run, or set REDIS_URL."
        ) from error


async def _ping(redis_url: str) -> None:
    redis = build_redis(redis_url)
    try:
        async with asyncio.timeout(REDIS_SECONDS):
            await redis.ping()
    finally:
        await redis.aclose()


def makes_first_secrets() -> bool:
    """Whether a start would write `.env`: in development, where neither file nor secrets are.

    A file that exists is its owner's business.
    """
    if Path(ENV_FILE).exists() or raw_setting("ENVIRONMENT") == "production":
        return False
    return not any(map(raw_setting, SECRET_NAMES))


def _generate_first_secrets(say: Say) -> None:
    if makes_first_secrets():
        names = generate_secrets(Path(ENV_FILE))
        say(f"Wrote {' and '.join(names)} to {ENV_FILE} (readable by you alone).")


def _check_keys(settings: Settings, say: Say) -> None:
    """Raises: `ConfigurationError`. In development a missing key pair is made."""
    if not settings.is_production and write_first_key(settings, utc_now()):
        say(f"Wrote an {settings.JWT_ALGORITHM} key to {settings.JWT_KEYS_FILE} (for you alone).")
    Keys(settings)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGINT and SIGTERM end the block like a return; then they are ignored while it tidies up."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, _leave) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(_: int, __: FrameType | None) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(ExitCode.OK)
