"""What settings may be together, and in production. A message stands for itself."""

from typing import TYPE_CHECKING, Final

from src.core.endpoints import is_overheard, is_postgresql_overheard, is_redis_overheard
from src.core.secret_strength import weakness_of

if TYPE_CHECKING:
    from src.core.settings import Settings

MIN_PRODUCTION_ROUNDS: Final = 10  # the least that OWASP still accepts for bcrypt
UNLESS_PRIVATE: Final = "or, where the network to it is private, set PLAINTEXT_STORES_ALLOWED=true"


def require_consistent(settings: "Settings") -> None:
    """Raises: ValueError."""
    if settings.JWT_SECRET_KEY == settings.JWT_REFRESH_SECRET_KEY:
        raise ValueError(
            "JWT_SECRET_KEY and JWT_REFRESH_SECRET_KEY are equal: one leaked key would forge "
            "both kinds of token. Remove one of them from .env or the environment, then run: "
            "python -m src.cli secrets generate",
        )
    if settings.SERVICE_TOKEN_SECRET in (settings.JWT_SECRET_KEY, settings.JWT_REFRESH_SECRET_KEY):
        raise ValueError(
            "SERVICE_TOKEN_SECRET is also JWT_SECRET_KEY or JWT_REFRESH_SECRET_KEY: services "
            "that share it could sign in as anybody. Replace it here and in those services",
        )
    if settings.METRICS == "on" and settings.METRICS_TOKEN is None:
        raise ValueError(
            "METRICS_TOKEN is missing: METRICS=on shows the metrics to who presents it"
        )
    if settings.METRICS_TOKEN is not None and settings.METRICS_TOKEN in (
        settings.JWT_SECRET_KEY,
        settings.JWT_REFRESH_SECRET_KEY,
        settings.SERVICE_TOKEN_SECRET,
    ):
        raise ValueError(
            "METRICS_TOKEN also signs tokens here: who reads the metrics could sign in as "
            "anybody. Replace it here and in Prometheus"
        )
    if settings.SESSION_ABSOLUTE_DAYS < settings.REFRESH_TOKEN_EXPIRE_DAYS:
        raise ValueError("SESSION_ABSOLUTE_DAYS is shorter than REFRESH_TOKEN_EXPIRE_DAYS")
    if (settings.ASSISTANT_BASE_URL is None) != (settings.ASSISTANT_MODEL is None):
        raise ValueError("ASSISTANT_BASE_URL and ASSISTANT_MODEL are set together or not at all")


def require_fit_for_production(settings: "Settings") -> None:
    """Raises: ValueError with a line for all that is for development alone."""
    refused = {
        "DATABASE_URL names SQLite, which is for development: name a PostgreSQL": (
            settings.DATABASE_URL.startswith("sqlite")
        ),
        "REDIS_URL is missing: production never uses the embedded Redis": (
            settings.REDIS_URL is None
        ),
        "CORS_ALLOW_NULL_ORIGIN=true is for development": settings.null_origin_allowed,
        "COOKIE_SECURE=false is for development": not settings.COOKIE_SECURE,
        "RATE_LIMITS=off is for load tests": settings.RATE_LIMITS == "off",
        f"BCRYPT_ROUNDS is below {MIN_PRODUCTION_ROUNDS}": (
            settings.BCRYPT_ROUNDS < MIN_PRODUCTION_ROUNDS
        ),
        "BETTER_AUTH_SECRET is weak: replace it there and here": (
            settings.BETTER_AUTH_SECRET is not None
            and weakness_of(settings.BETTER_AUTH_SECRET.get_secret_value()) is not None
        ),
        "ASSISTANT_BASE_URL must be https://, or on this machine": is_overheard(
            settings.ASSISTANT_BASE_URL or "https://",
        ),
    }
    if not settings.PLAINTEXT_STORES_ALLOWED:
        refused |= _overheard_stores(settings)
    if any(refused.values()):
        raise ValueError("\n".join(text for text, applies in refused.items() if applies))


def _overheard_stores(settings: "Settings") -> dict[str, bool]:
    databases = {
        f"{name} can be read on its way: add ?sslmode=verify-full, {UNLESS_PRIVATE}": (
            not url.startswith("sqlite") and is_postgresql_overheard(url)
        )
        for name, url in (
            ("DATABASE_URL", settings.DATABASE_URL),
            ("BETTER_AUTH_DATABASE_URL", settings.BETTER_AUTH_DATABASE_URL or "sqlite"),
        )
    }
    return databases | {
        "REDIS_URL can be read on its way: use rediss:// and check the certificate, "
        f"{UNLESS_PRIVATE}": is_redis_overheard(settings.REDIS_URL or "unix://"),
    }
