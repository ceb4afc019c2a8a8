"""Who is measured, and how each is started: one worker process, production's options."""

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import asyncpg
from sqlalchemy.engine import make_url

from benchmarks.api import Api, Endpoint, Work
from src.core.clock import utc_now
from src.core.settings import Settings
from src.first_run.key_rotation import write_first_key
from tests.conftest import REPOSITORY, make_settings

LATCHKEY, PLAIN, BARE = "Latchkey", "plain route", "bare ASGI"
WITHOUT_LAYERS, TWO_CORES = "Latchkey without layers", "Latchkey on two cores"
ES256, RS256 = "Latchkey with ES256", "Latchkey with RS256"
VARIANTS = (WITHOUT_LAYERS, ES256, RS256, TWO_CORES)  # on Latchkey's own stores
FASTAPI_USERS, SIMPLEJWT, FLASK = "fastapi-users", "DRF simplejwt", "Flask-JWT-Extended"
PEERS = (FASTAPI_USERS, SIMPLEJWT, FLASK)
TIMED = (Work.PROFILE, Work.VERIFY, Work.REFRESH)
PEERS_PYTHON = REPOSITORY / ".venv-bench" / "bin" / "python"
OURS_PYTHON = REPOSITORY / ".venv-bench" / "ours" / "bin" / "python"
UVICORN = ("-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port", "{port}")
# Of gunicorn's workers the one with threads keeps connections open, as all others here do.
GUNICORN = (
    *("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--no-control-socket"),
    *("--keep-alive", "75", "--workers", "1", "--worker-class", "gthread", "--threads", "4"),
)
EMAIL_AND_PASSWORD = {"email": "{email}", "password": "{password}"}


@dataclass(frozen=True)
class Contestant:
    """A server to be. `command` names its `{port}`; `prepare` makes the tables."""

    name: str
    command: tuple[str, ...]
    api: Api
    environment: Mapping[str, str]
    is_alive: str = "/"
    python: str = sys.executable
    prepare: tuple[str, ...] = ()
    timed: tuple[Work, ...] = TIMED

    def command_at(self, port: int) -> list[str]:
        return [self.python, *(part.format(port=port) for part in self.command)]


@dataclass(frozen=True)
class Stores:
    """What all share. Each peer has a database of its own on the one PostgreSQL."""

    folder: Path
    postgresql_url: str
    redis_url: str

    def database(self, name: str) -> str:
        """The URL of a database that is made now."""
        asyncio.run(_create_database(self.postgresql_url, name))
        url = make_url(self.postgresql_url).set(database=name)
        return url.render_as_string(hide_password=False)


async def _create_database(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


def _inherited() -> dict[str, str]:
    """Our own environment without settings: nothing of a developer's is measured.

    Nor is compiling, with each start, what others compile once.
    """
    left_out = {*Settings.model_fields, "PYTHONDONTWRITEBYTECODE"}
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**inherited, "PYTHONPATH": str(REPOSITORY)}


def limits() -> list[Contestant]:
    api = Api({Work.PROFILE: Endpoint("GET", "/")})
    return [
        Contestant(name, (*UVICORN, f"benchmarks.limits:{app}"), api, _inherited())
        for name, app in ((PLAIN, "plain"), (BARE, "bare"))
    ]


LATCHKEY_API = Api(
    {
        Work.SIGN_UP: Endpoint("POST", "/auth/signup", EMAIL_AND_PASSWORD),
        Work.LOG_IN: Endpoint("POST", "/auth/login", EMAIL_AND_PASSWORD),
        Work.PROFILE: Endpoint("GET", "/auth/me", bearer="access_token"),
        Work.VERIFY: Endpoint("POST", "/auth/verify", bearer="access_token"),
        Work.VERIFY_UNSEEN: Endpoint("POST", "/auth/verify", bearer="access_token"),
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
    return Contestant(
        LATCHKEY,
        ("-m", "src.cli", "run", "--port", "{port}"),
        LATCHKEY_API,
        environment,
        is_alive="/healthz",
        prepare=("-m", "src.cli", "migrate"),
        timed=(Work.PROFILE, Work.VERIFY, Work.VERIFY_UNSEEN, Work.REFRESH),
    )


def token_settings(ours: Contestant) -> Settings:
    """Settings with which tokens come out as those of one of our own do."""
    of_tokens = {k: v for k, v in ours.environment.items() if k.startswith("JWT_")}
    return make_settings(**of_tokens)


def without_layers(shipped: Contestant) -> Contestant:
    """Latchkey, its verification alone, without middleware, log lines and headers."""
    http = ("--http", "src.first_run.bounded_http:BoundedHttp", "--no-proxy-headers")
    command = (*UVICORN, *http, "--no-server-header", "benchmarks.without_layers:app")
    return replace(shipped, name=WITHOUT_LAYERS, command=command, timed=(Work.VERIFY,))


def with_algorithm(
    shipped: Contestant,
    algorithm: Literal["ES256", "RS256"],
    folder: Path,
) -> Contestant:
    """Latchkey, its verification alone, with a key pair that this writes into the folder."""
    changes = {"JWT_ALGORITHM": algorithm, "JWT_KEYS_FILE": str(folder / f"{algorithm}.json")}
    variant = replace(
        shipped,
        name=f"{LATCHKEY} with {algorithm}",
        environment={**shipped.environment, **changes},
        timed=(Work.VERIFY, Work.VERIFY_UNSEEN),
    )
    write_first_key(token_settings(variant), utc_now())
    return variant


def for_two_cores(shipped: Contestant) -> Contestant:
    """Latchkey once more, not timed but where somebody asks for it."""
    return replace(shipped, name=TWO_CORES, timed=())


def worker_alone(shipped: Contestant) -> Contestant:
    """The worker process without `run`, which sees to the rest before it.

    With the packages that it needs alone: some of them load what else there is.
    """
    command = (*UVICORN, "src.main:app")
    return replace(shipped, command=command, python=str(OURS_PYTHON), prepare=())


def peers(stores: Stores) -> list[Contestant]:
    """Those of requirements-bench.txt."""
    return [_fastapi_users(stores), _simplejwt(stores), _flask(stores)]


def _peer(name: str, module: str, server: tuple[str, ...], api: Api, stores: Stores) -> Contestant:
    environment = {
        **_inherited(),
        "SECRET": secrets.token_urlsafe(48),
        "DATABASE_URL": stores.database(module),
        "REDIS_URL": stores.redis_url,
    }
    return Contestant(
        name,
        (*server, f"benchmarks.peers.{module}:app"),
        api,
        environment,
        python=str(PEERS_PYTHON),
        prepare=("-m", f"benchmarks.peers.{module}"),
    )


def _fastapi_users(stores: Stores) -> Contestant:
    form = {"username": "{email}", "password": "{password}"}
    endpoints = {
        Work.SIGN_UP: Endpoint("POST", "/auth/register", EMAIL_AND_PASSWORD),
        Work.LOG_IN: Endpoint("POST", "/auth/jwt/login", form, is_form=True),
        Work.PROFILE: Endpoint("GET", "/users/me", bearer="access_token"),
    }
    return _peer(FASTAPI_USERS, "fastapi_users_jwt", UVICORN, Api(endpoints), stores)


def _simplejwt(stores: Stores) -> Contestant:
    person = {"username": "{email}", "password": "{password}"}
    endpoints = {
        Work.SIGN_UP: Endpoint("POST", "/register/", person),
        Work.LOG_IN: Endpoint("POST", "/token/", person),
        Work.PROFILE: Endpoint("GET", "/me/", bearer="access_token"),
        Work.VERIFY: Endpoint("POST", "/token/verify/", {"token": "{access_token}"}),
        Work.REFRESH: Endpoint("POST", "/token/refresh/", {"refresh": "{refresh_token}"}),
    }
    api = Api(endpoints, access_token="access", refresh_token="refresh")  # noqa: S106 - names
    return _peer(SIMPLEJWT, "simplejwt", GUNICORN, api, stores)


def _flask(stores: Stores) -> Contestant:
    endpoints = {
        Work.SIGN_UP: Endpoint("POST", "/register", EMAIL_AND_PASSWORD),
        Work.LOG_IN: Endpoint("POST", "/login", EMAIL_AND_PASSWORD),
        Work.PROFILE: Endpoint("GET", "/me", bearer="access_token"),
        Work.VERIFY: Endpoint("POST", "/verify", bearer="access_token"),
        Work.REFRESH: Endpoint("POST", "/refresh", bearer="refresh_token"),
    }
    return _peer(FLASK, "flask_jwt", GUNICORN, Api(endpoints), stores)
