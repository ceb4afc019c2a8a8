"""Every setting of the platform, read from the environment or from `.env`.

Nothing here has a default secret: a process without good keys refuses to start.
"""

import os
from datetime import timedelta
from typing import Final, Literal, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from src.core.setting_kinds import (
    AlwaysTrue,
    BetterAuthSecret,
    DatabaseUrl,
    Endpoint,
    KeysUrl,
    Networks,
    Origins,
    RedisUrl,
    SharedSecret,
    SigningSecret,
)
from src.core.setting_rules import require_consistent, require_fit_for_production

ENV_FILE: Final = ".env"
GENERATE_SECRETS = "Run: python -m src.cli secrets generate"
MISSING: Final = {
    "JWT_SECRET_KEY": f"access tokens cannot be signed without it. {GENERATE_SECRETS}",
    "JWT_REFRESH_SECRET_KEY": f"refresh tokens cannot be signed without it. {GENERATE_SECRETS}",
    "REDIS_URL": "refresh tokens live there. Run: make run, or set REDIS_URL.",
}


class ConfigurationError(Exception):
    """The configuration cannot be used. `problems` holds one line each, without any secret."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """The platform's configuration. Names are the environment variables' names."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        case_sensitive=True,
        hide_input_in_errors=True,
        frozen=True,
    )

    ENVIRONMENT: Literal["development", "production"] = Field(
        default="development",
        description="production refuses what is for development: SQLite, our own Redis, pages",
    )
    JWT_SECRET_KEY: SigningSecret = Field(
        description="signs access tokens; at least 32 random bytes, unlike the refresh key",
    )
    JWT_REFRESH_SECRET_KEY: SigningSecret = Field(
        description="signs refresh tokens and derives their successors; at least 32 random bytes",
    )
    JWT_ALGORITHM: Literal["HS256", "ES256", "RS256"] = Field(
        default="HS256",
        description="of new keys for access tokens; with ES256 and RS256 others can verify them "
        "without a secret",
    )
    JWT_KEYS_FILE: str = Field(
        default=".local/keys.json",
        min_length=1,
        description="further keys, which `secrets rotate` writes; need not be there",
    )
    JWT_ISSUER: str = Field(
        default="latchkey", min_length=1, description="the `iss` of every token"
    )
    JWT_AUDIENCE: str = Field(
        default="latchkey-api",
        min_length=1,
        description="the `aud` of access tokens",
    )
    JWT_REQUIRE_AUTH: AlwaysTrue = Field(
        default=True,
        description="authentication cannot be switched off: only true is accepted",
    )
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(
        default=15,
        ge=1,
        le=60,
        description="life of an access token, minutes",
    )
    REFRESH_TOKEN_EXPIRE_DAYS: int = Field(
        default=7,
        ge=1,
        le=90,
        description="a session ends after this long without a refresh, days",
    )
    SESSION_ABSOLUTE_DAYS: int = Field(
        default=30,
        ge=1,
        le=365,
        description="a session ends this long after log-in, days",
    )
    REFRESH_GRACE_SECONDS: int = Field(
        default=30,
        ge=0,
        le=60,
        description="a spent refresh token still yields its successor for this long; 0 is strict",
    )
    REFRESH_RECOVERY_HOURS: int = Field(
        default=24,
        ge=0,
        le=168,
        description="the same with the rotation's own Idempotency-Key, hours",
    )
    SESSIONS_PER_USER: int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="live sessions of one user; the oldest is ended first",
    )
    DATABASE_URL: DatabaseUrl = Field(
        default="sqlite+aiosqlite:///.local/latchkey.db",
        description="postgresql://user:password@host/name or sqlite+aiosqlite:///path",
    )
    REDIS_URL: RedisUrl | None = Field(
        default=None,
        description="redis://, rediss://, unix://, redis+sentinel://host,host/service or "
        "redis+cluster://host,host; without it `make run` starts its own Redis",
    )
    PLAINTEXT_STORES_ALLOWED: bool = Field(
        default=False,
        description="true lets production reach PostgreSQL and Redis elsewhere without verified "
        "TLS: for networks that nobody else is on",
    )
    SERVICE_TOKEN_SECRET: SharedSecret | None = Field(
        default=None,
        description="signs and verifies service tokens, which name a customer; at least 32 random "
        "bytes, shared with those services alone; without it the routes for services answer 503",
    )
    BETTER_AUTH_SECRET: BetterAuthSecret | None = Field(
        default=None,
        description="the secret that a Better Auth server shares with this one",
    )
    BETTER_AUTH_ISSUER: str | None = Field(
        default=None,
        description="the base URL of that Better Auth server",
    )
    BETTER_AUTH_AUDIENCE: str | None = Field(
        default=None,
        description="the `aud` of its JWTs; without it, the issuer",
    )
    BETTER_AUTH_JWKS_URL: KeysUrl | None = Field(
        default=None,
        description="where it publishes its keys; without it, /api/auth/jwks of the issuer",
    )
    BETTER_AUTH_DATABASE_URL: DatabaseUrl | None = Field(
        default=None,
        description="where its tables are, which are only read; without it, DATABASE_URL",
    )
    BETTER_AUTH_REQUIRE_SUB: bool = Field(
        default=False,
        description="true refuses JWTs that name their user by the e-mail alone",
    )
    TRUSTED_ISSUERS: str | None = Field(
        default=None,
        description="path of the JSON or TOML file that says whose tokens are accepted beside ours "
        "(docs/issuers.md); without it, nobody's",
    )
    CORS_ORIGINS: Origins = Field(
        default=(),
        description="origins of browser clients elsewhere, separated by commas",
    )
    CORS_ALLOW_NULL_ORIGIN: bool | None = Field(
        default=None,
        description="lets frontend_test.html work from file://; true in development, else false",
    )
    COOKIE_SECURE: bool = Field(
        default=True,
        description="false lets Safari keep the refresh cookie on http://localhost; development",
    )
    TRUSTED_PROXIES: Networks = Field(
        default=(),
        description="networks whose X-Forwarded-For and -Proto count, separated by commas",
    )
    RATE_LIMITS: Literal["on", "off"] = Field(
        default="on",
        description="limits on log-ins, sign-ups and what costs; off is for load tests",
    )
    PASSWORD_MIN_LENGTH: int = Field(
        default=8,
        ge=8,
        le=64,
        description="characters; NIST asks for 15 where there is no second factor",
    )
    BCRYPT_ROUNDS: int = Field(
        default=12,
        ge=4,
        le=16,
        description="cost of a password hash, log2 of the rounds",
    )
    ASSISTANT_BASE_URL: Endpoint | None = Field(
        default=None,
        description="a chat-completions endpoint such as https://api.openai.com/v1; without it the "
        "assistant answers from the catalogue, without a network",
    )
    ASSISTANT_API_KEY: SecretStr | None = Field(
        default=None,
        description="the key of that endpoint, if it wants one",
    )
    ASSISTANT_MODEL: str | None = Field(
        default=None,
        description="the model that answers there",
    )
    ASSISTANT_SHARE_RECORDS: bool = Field(
        default=False,
        description="true sends people's own records on their body there with their questions",
    )
    METRICS: Literal["off", "on"] = Field(
        default="off",
        description="on shows `GET /metrics` to Prometheus, which needs METRICS_TOKEN",
    )
    METRICS_TOKEN: SharedSecret | None = Field(
        default=None,
        description="the bearer token that Prometheus presents; at least 32 random bytes",
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        description="the least that is logged",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        require_consistent(self)
        if self.is_production:
            require_fit_for_production(self)
        return self

    @property
    def is_production(self) -> bool:
        return self.ENVIRONMENT == "production"

    @property
    def null_origin_allowed(self) -> bool:
        """Whether pages opened from file:// may call; never with credentials."""
        if self.CORS_ALLOW_NULL_ORIGIN is None:
            return not self.is_production
        return self.CORS_ALLOW_NULL_ORIGIN

    @property
    def access_ttl(self) -> timedelta:
        return timedelta(minutes=self.ACCESS_TOKEN_EXPIRE_MINUTES)


def load_settings(*, serving: bool = False) -> Settings:
    """The settings of this process, from the environment and then from `.env`.

    With `serving`, REDIS_URL must be there as well: a server cannot do without it.

    Raises: `ConfigurationError` with one line for each problem; never a secret's value.
    """
    problems: list[str] = []
    try:
        if _switches_authentication_off_by_an_empty_value():
            problems.append(
                "JWT_REQUIRE_AUTH must be true: authentication cannot be switched off. "
                "Remove it from .env or the environment",
            )
        settings = Settings()
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            problems += _line_about(detail).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f".env cannot be read ({type(error).__name__}): it must be UTF-8 and yours")
    else:
        if serving and settings.REDIS_URL is None:
            problems.append(f"REDIS_URL is missing: {MISSING['REDIS_URL']}")
        if not problems:
            return settings
    raise ConfigurationError(*dict.fromkeys(problems))


def raw_setting(name: str) -> str | None:
    """A setting as the environment, or else `.env`, spells it; else its default, if it has one.

    For what is needed where the settings as a whole need not be valid: migrations, for one, take
    no signing secret. Raises: KeyError for what is no setting.
    """
    spelled = os.environ.get(name) or dotenv_values(ENV_FILE).get(name)
    default = Settings.model_fields[name].default
    return spelled or (default if isinstance(default, str) else None)


def _switches_authentication_off_by_an_empty_value() -> bool:
    """Empty values count as absent everywhere else; this one might be meant as a "no"."""
    values = (os.environ.get("JWT_REQUIRE_AUTH"), dotenv_values(ENV_FILE).get("JWT_REQUIRE_AUTH"))
    return any(value is not None and not value.strip() for value in values)


def _line_about(detail: ErrorDetails) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    if detail["type"] == "missing":
        return f"{name} is missing: {MISSING.get(name, 'set it in .env or the environment')}"
    if detail["type"] == "value_error":  # our own validators, which continue the name's sentence
        return f"{name} {detail['ctx']['error']}".strip()
    return f"{name}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
