"""`python -m src.cli run` from an empty folder: what it makes, prints and survives."""

import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from redis import Redis
from redis.exceptions import RedisError

from src.first_run import redis_child
from src.first_run.failures import ExitCode
from src.first_run.redis_binary import find_redis_server
from tests.first_run.command_line import nothing_configured, run
from tests.first_run.processes import (
    RunningServer,
    cli,
    copy_project,
    is_alive,
    running_server,
    wait_until,
)

BLOCK = re.compile(
    r"""
  Latchkey is ready in [0-9]+\.[0-9] s      Redis ok \(embedded\) · database SQLite · development

  Test page   http://localhost:(?P<port>[0-9]+)/
  API docs    http://localhost:(?P=port)/docs
  Demo login  ada@example\.com / (?P<password>\S+)
"""
)


FAST = {"BCRYPT_ROUNDS": "4"}


def redis_of(server: RunningServer) -> Redis:
    return Redis(unix_socket_path=server.redis_socket)


def redis_process(server: RunningServer) -> int | None:
    """The id of the embedded Redis's process, None while it does not answer."""
    try:
        with redis_of(server) as redis:
            return int(redis.info("server")["process_id"])
    except RedisError:
        return None


def demo_password(server: RunningServer) -> str:
    block = BLOCK.search(server.printed)
    assert block is not None, server.printed
    return block["password"]


@pytest.fixture(scope="module")
def first_start(shared_project: Path) -> Iterator[RunningServer]:
    """A server on its first start, shared by the tests that leave it as it is."""
    with running_server(shared_project, **FAST) as server:
        yield server


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_prints_where_to_go_and_the_demo_login_works(
    first_start: RunningServer,
) -> None:
    password = demo_password(first_start)
    ada, _ = first_start.post("/auth/login", email="ada@example.com", password=password)
    grace, _ = first_start.post("/auth/login", email="grace@example.com", password=password)

    assert (ada, grace) == (200, 200)


def test_everything_that_the_first_start_makes_is_private(first_start: RunningServer) -> None:
    folder = first_start.project

    assert mode_of(folder / ".env") == 0o600
    assert mode_of(folder / ".local") == 0o700
    assert mode_of(folder / ".local" / "demo-login.json") == 0o600
    assert mode_of(Path(first_start.redis_socket)) == 0o600


def nothing_is_left_of(server: RunningServer, redis_child: int | None) -> bool:
    """Whether it ended in order: without its Redis, that one's socket, and a traceback."""
    socket = server.project / ".local" / "redis.sock"
    gone = redis_child is not None and not is_alive(redis_child) and not socket.exists()
    return gone and "Traceback" not in server.printed


def test_a_session_and_the_demo_login_survive_a_restart(project: Path) -> None:
    with running_server(project, **FAST) as server:
        password = demo_password(server)
        _, tokens = server.post("/auth/login", email="ada@example.com", password=password)
        child = redis_process(server)
        assert server.end() == ExitCode.OK

    assert nothing_is_left_of(server, child)
    with running_server(project, **FAST) as server:
        status, _ = server.post("/auth/refresh", refresh_token=tokens["refresh_token"])
        assert status == 200
        assert demo_password(server) == password


def test_the_embedded_redis_keeps_what_it_is_given(first_start: RunningServer) -> None:
    with redis_of(first_start) as redis:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "port": "0",
        }
        assert {name: redis.config_get(name)[name] for name in wanted} == wanted


def test_a_redis_that_dies_is_started_again_with_its_sessions(first_start: RunningServer) -> None:
    server = first_start
    password = demo_password(server)
    _, tokens = server.post("/auth/login", email="ada@example.com", password=password)
    first = redis_process(server)
    with redis_of(server) as redis:
        redis.config_set("appendfsync", "always")  # the kill must not cost the last second
        redis.set("written", "yes")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(
        lambda: redis_process(server) not in (None, first), 20, what="another Redis to answer"
    )
    status, _ = server.post("/auth/refresh", refresh_token=tokens["refresh_token"])

    assert status == 200
    wait_until(lambda: "embedded-redis-restarted" in server.printed, 20, what="word of it")


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_signal_ends_the_server_in_order_and_leaves_no_process(
    project: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    with running_server(project, *options, **FAST) as server:
        child = redis_process(server)

        assert server.end(number) == ExitCode.OK

    assert nothing_is_left_of(server, child)


@pytest.mark.faults
@pytest.mark.skipif(
    not Path("/proc").exists(), reason="only Linux ends the child of a killed parent"
)
def test_the_redis_of_a_killed_server_does_not_outlive_it(project: Path) -> None:
    with running_server(project, **FAST) as server:
        child = redis_process(server)
        assert child is not None
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not is_alive(child), 10, what="the orphaned Redis to end")

    with running_server(project, **FAST) as server:
        assert redis_process(server) is not None


@pytest.mark.faults
def test_a_redis_that_outlived_an_earlier_run_is_ended_before_another_starts(project: Path) -> None:
    place = redis_child.choose_place(project / ".local")
    orphan = redis_child.start(find_redis_server(), place, unless=Event())
    (project / ".local" / "run.json").write_text(json.dumps({"redis_socket": str(place.socket)}))

    with running_server(project, **FAST) as server:
        assert orphan.wait(10) == 0
        assert redis_process(server) not in (None, orphan.pid)


def test_a_second_run_in_the_same_folder_names_the_first(first_start: RunningServer) -> None:
    before = redis_process(first_start)

    done = cli(first_start.project, "run", "--port", "0")

    assert done.returncode == ExitCode.RUNNING
    assert f"already runs from this folder at {first_start.base}/" in done.stderr
    assert redis_process(first_start) == before


@pytest.mark.faults
def test_a_long_path_gets_its_socket_elsewhere_and_takes_it_away(tmp_path: Path) -> None:
    project = copy_project(tmp_path / ("long-" * 20) / "with blanks")
    with running_server(project, **FAST) as server:
        socket = Path(server.redis_socket)
        assert len(os.fsencode(socket)) <= 100
        assert server.end() == ExitCode.OK

    assert not socket.parent.exists()


@pytest.mark.faults
def test_an_operator_makes_accounts_from_the_command_line(first_start: RunningServer) -> None:
    def create(*arguments: str, password: str) -> subprocess.CompletedProcess[str]:
        command = ("user", "create", *arguments, "--password-stdin")
        return cli(first_start.project, *command, stdin=f"{password}\n", **FAST)

    password = "tides of the northern sea"
    made = create("mary@example.org", "--username", "mary", password=password)
    again = create("MARY@example.org", password=password)
    weak = create("jo@example.org", password="password")
    unnamed = create("jo@example.org", "--username", "-", password=password)
    status, _ = first_start.post("/auth/login", email="mary@example.org", password=password)

    assert made.returncode == ExitCode.OK, made.stderr
    assert status == 200
    assert {c.returncode for c in (again, weak, unnamed)} == {ExitCode.REFUSED}
    assert "An account with this e-mail exists" in again.stderr
    assert "most common passwords" in weak.stderr
    assert "Use 3 to 32" in unnamed.stderr


@pytest.mark.faults
def test_the_doctor_tells_a_healthy_folder_from_an_unhealthy_one(project: Path) -> None:
    fresh = cli(project, "doctor", "--json")
    unhealthy = cli(project, "doctor", "--json", JWT_SECRET_KEY="short")
    cli(project, "secrets", "generate")
    healthy = cli(project, "doctor", "--json")
    told = cli(project, "doctor")

    assert fresh.returncode == ExitCode.OK
    assert "warning" in {finding["verdict"] for finding in json.loads(fresh.stdout)}
    assert unhealthy.returncode == ExitCode.UNHEALTHY
    assert "problem" in {finding["verdict"] for finding in json.loads(unhealthy.stdout)}
    assert healthy.returncode == ExitCode.OK
    assert {finding["verdict"] for finding in json.loads(healthy.stdout)} == {"ok"}
    assert told.stdout.count("✓") == len(json.loads(healthy.stdout))
    assert "\x1b" not in told.stdout


def test_the_openapi_document_needs_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_configured(tmp_path, monkeypatch)
    monkeypatch.setenv("ENVIRONMENT", "production")

    done = run("openapi")

    assert done.exit_code == ExitCode.OK, done.stderr
    assert "/auth/login" in json.loads(done.stdout)["paths"]
