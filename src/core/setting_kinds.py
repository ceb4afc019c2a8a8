"""What single settings may be. A message continues the sentence that begins with the name."""

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from src.core.addresses import parse_network
from src.core.endpoints import check_endpoint, is_overheard
from src.core.redis_groups import parse_group
from src.core.secret_strength import weakness_of

# `secrets generate` keeps what is there, so a bad secret must be taken away first.
REPLACE_IT: Final = (
    "Remove it from .env or the environment, then run: python -m src.cli secrets generate"
)
BETTER_AUTH_BUILT_IN_SECRET: Final = "better-auth-secret-12345678901234567890"  # noqa: S105
DATABASE_SCHEMES: Final = (
    "postgresql://",
    "postgres://",
    "postgresql+asyncpg://",
    "sqlite://",
    "sqlite+aiosqlite://",
)
REDIS_SCHEMES: Final = (
    "redis://",
    "rediss://",
    "unix://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
)


def _strong(secret: SecretStr) -> SecretStr:
    if weakness := weakness_of(secret.get_secret_value()):
        raise ValueError(f"{weakness}. {REPLACE_IT}")
    return secret


def _strong_if_shared(secret: SecretStr) -> SecretStr:
    if weakness := weakness_of(secret.get_secret_value()):
        raise ValueError(f"{weakness}. Replace it here and in the services that share it")
    return secret


def _not_built_in(secret: SecretStr) -> SecretStr:
    if secret.get_secret_value() == BETTER_AUTH_BUILT_IN_SECRET:
        raise ValueError(
            "is the one that Better Auth has built in: everybody knows it. Replace it there "
            "and here",
        )
    return secret


def _endpoint(url: str) -> str:
    check_endpoint(url)
    return url


def _safe_to_fetch_keys_from(url: str) -> str:
    if is_overheard(_endpoint(url)):
        raise ValueError(
            "must be https://, or on this machine: others could change the keys on their way",
        )
    return url


def _always_true(required: object) -> bool:
    if str(required).strip().lower() != "true":
        raise ValueError(
            "must be true: authentication cannot be switched off. "
            "Remove it from .env or the environment",
        )
    return True


def _has_scheme(url: str, schemes: tuple[str, ...]) -> str:
    if not url.startswith(schemes):
        raise ValueError(f"must start with one of {', '.join(schemes)}")
    return url


def _database_url(url: str) -> str:
    return _has_scheme(url, DATABASE_SCHEMES)


def _redis_url(url: str) -> str:
    parse_group(_has_scheme(url, REDIS_SCHEMES))  # says what is wrong with the URL of a group
    return url


def _comma_separated(parts: object) -> object:
    if not isinstance(parts, str):
        return parts
    return tuple(part.strip().rstrip("/") for part in parts.split(",") if part.strip())


def _networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    for network in networks:
        parse_network(network)
    return networks


def _plain_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if not origin.startswith(("http://", "https://")) or "*" in origin:
            raise ValueError(
                f"{origin!r} is not an origin such as https://app.example.com; "
                "wildcards are not accepted",
            )
    return origins


SigningSecret = Annotated[SecretStr, AfterValidator(_strong)]
SharedSecret = Annotated[SecretStr, AfterValidator(_strong_if_shared)]
BetterAuthSecret = Annotated[SecretStr, AfterValidator(_not_built_in)]
AlwaysTrue = Annotated[bool, BeforeValidator(_always_true)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
KeysUrl = Annotated[str, AfterValidator(_safe_to_fetch_keys_from)]
_Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]
Networks = Annotated[_Listed, AfterValidator(_networks)]
Origins = Annotated[_Listed, AfterValidator(_plain_origins)]
