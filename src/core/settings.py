"""Every setting of the platform, read from the environment or from `.env`.

Nothing here has a default secret: a process without good keys refuses to start.
"""

import math
from collections import Counter
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_BYTES = 32
MIN_SECRET_ENTROPY_BITS = 80.0
GENERATE_SECRETS = "Run: python -m src.cli secrets generate"

_PUBLISHED = ("changethis", "change-me", "changeme", "your-secret", "your_secret", "example",
              "secret-key", "secretkey", "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
              "better-auth-secret", "placeholder", "insecure", "password")


def weakness_of(secret: str) -> str | None:
    """What is wrong with a signing secret, or None when nothing is."""
    if len(secret.encode()) < MIN_SECRET_BYTES:
        return f"is shorter than {MIN_SECRET_BYTES} bytes"
    if any(published in secret.lower() for published in _PUBLISHED):
        return "contains a published example"
    if _entropy_bits(secret) < MIN_SECRET_ENTROPY_BITS:
        return "is too regular to be random"
    return None


def _entropy_bits(text: str) -> float:
    counts = Counter(text).values()
    per_character = -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
    return per_character * len(text)


class Settings(BaseSettings):
    """The platform's configuration. Names are the environment variables' names."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore",
        case_sensitive=True, hide_input_in_errors=True, frozen=True,
    )

    ENVIRONMENT: Literal["development", "production"] = Field(
        default="development",
        description="production refuses embedded stores, weak hashing, a null origin; no page, no docs",
    )
    JWT_SECRET_KEY: SecretStr = Field(
        description="signs access tokens; at least 32 random bytes, unlike the refresh key",
    )
    JWT_REFRESH_SECRET_KEY: SecretStr = Field(
        description="signs refresh tokens and derives their successors; at least 32 random bytes",
    )
    JWT_ALGORITHM: Literal["HS256"] = Field(
        default="HS256", description="how access tokens are signed",
    )
    JWT_ISSUER: str = Field(default="latchkey", min_length=1, description="the `iss` of every token")
    JWT_AUDIENCE: str = Field(
        default="latchkey-api", min_length=1, description="the `aud` of access tokens",
    )
    JWT_REQUIRE_AUTH: Literal[True] = Field(
        default=True, description="authentication cannot be switched off: only true is accepted",
    )
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(
        default=15, ge=1, le=60, description="life of an access token, minutes",
    )
    REFRESH_TOKEN_EXPIRE_DAYS: int = Field(
        default=7, ge=1, le=90, description="a session ends after this long without a refresh, days",
    )
    SESSION_ABSOLUTE_DAYS: int = Field(
        default=30, ge=1, le=365, description="a session ends this long after log-in, days",
    )
    REFRESH_GRACE_SECONDS: int = Field(
        default=30, ge=0, le=60,
        description="a spent refresh token still yields its one successor for this long; 0 is strict",
    )
    REFRESH_RECOVERY_HOURS: int = Field(
        default=24, ge=0, le=168,
        description="the same with the rotation's own Idempotency-Key, hours",
    )
    SESSIONS_PER_USER: int = Field(
        default=20, ge=1, le=100_000, description="live sessions of one user; the oldest is ended first",
    )
    DATABASE_URL: str = Field(
        default="sqlite+aiosqlite:///.local/latchkey.db",
        description="postgresql://user:password@host/name or sqlite+aiosqlite:///path",
    )
    REDIS_URL: str | None = Field(
        default=None,
        description="redis://, rediss:// or unix://; without it `make run` starts its own Redis",
    )
    BETTER_AUTH_SECRET: SecretStr | None = Field(
        default=None, description="the secret that a Better Auth server shares with this one",
    )
    BETTER_AUTH_ISSUER: str | None = Field(
        default=None, description="the base URL of that Better Auth server",
    )
    CORS_ORIGINS: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="origins of browser clients elsewhere, separated by commas",
    )
    CORS_ALLOW_NULL_ORIGIN: bool | None = Field(
        default=None,
        description="lets frontend_test.html work from file://; true in development, else false",
    )
    PASSWORD_MIN_LENGTH: int = Field(
        default=8, ge=8, le=64, description="characters; NIST asks for 15 where there is no second factor",
    )
    BCRYPT_ROUNDS: int = Field(
        default=12, ge=4, le=16, description="cost of a password hash, log2 of the rounds",
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="the least that is logged",
    )

    @field_validator("JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY")
    @classmethod
    def _strong(cls, secret: SecretStr) -> SecretStr:
        weakness = weakness_of(secret.get_secret_value())
        if weakness:
            raise ValueError(f"{weakness}. {GENERATE_SECRETS}")
        return secret

    @field_validator("CORS_ORIGINS", mode="before")
    @classmethod
    def _comma_separated(cls, origins: object) -> object:
        if not isinstance(origins, str):
            return origins
        return tuple(part.strip().rstrip("/") for part in origins.split(",") if part.strip())

    @field_validator("CORS_ORIGINS")
    @classmethod
    def _plain_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not origin.startswith(("http://", "https://")) or "*" in origin:
                raise ValueError(
                    f"{origin!r} is not an origin such as https://app.example.com; "
                    "wildcards are not accepted",
                )
        return origins

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.JWT_SECRET_KEY.get_secret_value() == self.JWT_REFRESH_SECRET_KEY.get_secret_value():
            raise ValueError(
                "JWT_SECRET_KEY and JWT_REFRESH_SECRET_KEY are equal: one leaked key would forge "
                f"both kinds of token. {GENERATE_SECRETS}",
            )
        if self.SESSION_ABSOLUTE_DAYS < self.REFRESH_TOKEN_EXPIRE_DAYS:
            raise ValueError("SESSION_ABSOLUTE_DAYS is shorter than REFRESH_TOKEN_EXPIRE_DAYS")
        if self.is_production:
            self._refuse_in_production()
        return self

    def _refuse_in_production(self) -> None:
        if self.DATABASE_URL.startswith("sqlite"):
            raise ValueError("DATABASE_URL names SQLite, which is for development: name a PostgreSQL")
        if self.REDIS_URL is None:
            raise ValueError("REDIS_URL is missing: production never uses the embedded Redis")
        if self.null_origin_allowed:
            raise ValueError("CORS_ALLOW_NULL_ORIGIN=true is for development")
        if self.BCRYPT_ROUNDS < 10:  # noqa: PLR2004 - the least that OWASP still accepts
            raise ValueError("BCRYPT_ROUNDS is below 10")

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
