"""What a worker of production has loaded and made when it begins to serve, and what it has not."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.first_run.processes import REPOSITORY, command

pytestmark = pytest.mark.one_database

SETTINGS = {
    "ENVIRONMENT": "production",
    "JWT_SECRET_KEY": secrets.token_urlsafe(48),
    "JWT_REFRESH_SECRET_KEY": secrets.token_urlsafe(48),
    "DATABASE_URL": "postgresql:///latchkey?host=/nowhere",
    "REDIS_URL": "unix:///nowhere/redis.sock",
}
LOOK = """
import gc, json, sys
from src.main import app
print(json.dumps({
    "modules": sorted(sys.modules),
    "routes": [type(route).__name__ for route in app.router.routes],
    "collects": gc.isenabled(),
    "frozen": gc.get_freeze_count(),
}))
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one says of itself, having imported what uvicorn serves."""
    folder: Path = tmp_path_factory.mktemp("worker")  # without anybody's `.env`
    ended = command(folder, "-c", LOOK, **SETTINGS, PYTHONPATH=str(REPOSITORY))
    assert ended.returncode == 0, ended.stderr
    facts: dict[str, Any] = json.loads(ended.stdout)
    return facts


@pytest.mark.parametrize(
    "module",
    [
        "aiosqlite",
        "alembic",
        "fastapi_swagger",
        "openai",
        "prometheus_client",
        "rapidfuzz",
        "src.anatomy.body_picture",
        "src.assistant.local",
        "typer",
        "zxcvbn",
    ],
)
def test_a_worker_has_not_loaded(worker: dict[str, Any], module: str) -> None:
    assert module not in worker["modules"]


def test_a_worker_has_built_every_route_before_the_first_request(worker: dict[str, Any]) -> None:
    """An included router builds its routes a second time, while that request waits."""
    assert len(worker["routes"]) >= 40
    assert "_IncludedRouter" not in worker["routes"]


def test_the_garbage_collector_runs_and_leaves_alone_what_a_start_made(
    worker: dict[str, Any],
) -> None:
    assert worker["collects"]
    assert worker["frozen"] > 100_000
