"""Who is measured, and how each is started: one worker process, production's options."""

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.api import Api, Endpoint, Work
from src.core.settings import Settings
from tests.conftest import REPOSITORY

UVICORN = ("-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port", "{port}")
BOUNDED = ("--http", "src.first_run.bounded_http:BoundedHttp", "--no-server-header")


@dataclass(frozen=True)
class Contestant:
    """A server to be: `command` and `environment` may name its `{port}`."""

    name: str
    command: tuple[str, ...]
    api: Api
    environment: Mapping[str, str] = field(default_factory=dict)
    is_alive: str = "/"
    python: str = sys.executable
    prepare: Callable[[], None] = lambda: None

    def command_at(self, port: int) -> list[str]:
        return [self.python, *(part.format(port=port) for part in self.command)]

    @property
    def has_people(self) -> bool:
        return Work.SIGN_UP in self.api.endpoints


@dataclass(frozen=True)
class Stores:
    """What all share: a folder, a database and a Redis, each used by everybody in their own way."""

    folder: Path
    postgresql_url: str
    redis_url: str


def _inherited() -> dict[str, str]:
    """Our own environment without settings: nothing of a developer's is measured."""
    settings = Settings.model_fields
    inherited = {name: value for name, value in os.environ.items() if name not in settings}
    return {**inherited, "PYTHONPATH": str(REPOSITORY)}


def limits() -> list[Contestant]:
    api = Api({Work.PROFILE: Endpoint("GET", "/")})
    return [
        Contestant(name, (*UVICORN, f"benchmarks.limits:{app}"), api, _inherited())
        for name, app in (("plain", "plain"), ("bare ASGI", "bare"))
    ]


LATCHKEY = Api(
    {
        Work.SIGN_UP: Endpoint(
            "POST", "/auth/signup", {"email": "{email}", "password": "{password}"}
        ),
        Work.LOG_IN: Endpoint(
            "POST", "/auth/login", {"email": "{email}", "password": "{password}"}
        ),
        Work.PROFILE: Endpoint("GET", "/auth/me", bearer="access_token"),
        Work.VERIFY: Endpoint("POST", "/auth/verify", bearer="access_token"),
        Work.REFRESH: Endpoint("POST", "/auth/refresh", {"refresh_token": "{refresh_token}"}),
    }
)


def latchkey(stores: Stores) -> Contestant:
    """As it is shipped: production, every setting at its default."""
    environment = {
        **_inherited(),
        "ENVIRONMENT": "production",
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_REFRESH_SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": stores.postgresql_url,
        "REDIS_URL": stores.redis_url,
    }
    command = ("-m", "src.cli", "run", "--port", "{port}")
    return Contestant("Latchkey", command, LATCHKEY, environment, is_alive="/healthz")
