"""`run` in production: PostgreSQL and a Redis of their own, and nothing that is for development."""

import json
import re
from pathlib import Path

import httpx
import pytest

from src.first_run.failures import ExitCode
from tests.first_run.processes import READY, cli, running_server
from tests.servers import RedisServer, running_redis


def configured(project: Path, database_url: str, redis: RedisServer) -> dict[str, str]:
    """The environment of a production server on these stores."""
    assert cli(project, "secrets", "generate").returncode == ExitCode.OK
    return {
        "ENVIRONMENT": "production",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis.url,
        "BCRYPT_ROUNDS": "10",
    }


def test_production_serves_without_page_docs_demo_users_or_a_redis_of_its_own(
    project: Path, postgresql_url: str, redis_server: RedisServer
) -> None:
    environment = configured(project, postgresql_url, redis_server)
    with running_server(project, **environment) as server:
        statuses = {
            path: httpx.get(server.base + path, timeout=30).status_code
            for path in ("/readyz", "/", "/docs")
        }

        assert server.end() == ExitCode.OK

    block = server.printed[server.printed.index(READY) :]  # a slow machine is told before to wait
    first_line, *others = block.splitlines()
    assert re.fullmatch(
        r"Latchkey is ready in [0-9.]+ s      Redis ok · database PostgreSQL · production",
        first_line,
    )
    assert [line for line in others if line.startswith("  ")] == [f"  API         {server.base}/"]
    assert statuses == {"/readyz": 200, "/": 404, "/docs": 404}
    assert not (project / ".local").exists()


@pytest.mark.faults
def test_production_starts_while_redis_is_away_and_says_so(
    project: Path, postgresql_url: str, redis_server: RedisServer
) -> None:
    environment = configured(project, postgresql_url, redis_server)
    environment["REDIS_URL"] = "unix:///nowhere/redis.sock"

    with running_server(project, awaited="is not ready yet", **environment) as server:
        assert "Redis does not answer." in server.printed


@pytest.mark.faults
def test_production_makes_no_demo_users(
    project: Path, postgresql_url: str, redis_server: RedisServer
) -> None:
    done = cli(project, "seed", **configured(project, postgresql_url, redis_server))

    assert done.returncode == ExitCode.REFUSED
    assert "Demo users are for development" in done.stderr


@pytest.mark.faults
def test_the_doctor_warns_of_a_redis_that_forgets_sessions(
    project: Path, postgresql_url: str
) -> None:
    with running_redis() as forgetful:
        environment = configured(project, postgresql_url, forgetful)
        cli(project, "migrate", **environment)

        done = cli(project, "doctor", "--json", **environment)

    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == ExitCode.OK, done.stdout
    assert findings["Database"]["verdict"] == "ok"
    assert findings["Redis"]["verdict"] == "warning"
    assert "appendonly yes" in findings["Redis"]["detail"]
