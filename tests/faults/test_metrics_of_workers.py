"""`run --workers 2`: any worker answers for both, and one that is killed is no longer under way."""

import os
import secrets
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.factories import bearer
from tests.first_run.processes import copy_project, running_server, wait_until

pytestmark = pytest.mark.faults

TOKEN = secrets.token_urlsafe(48)
WORKERS = 2
ASKED = 200
PATIENCE_SECONDS = 30.0


def workers_in(folder: Path) -> set[int]:
    return {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_livesum_*.db")}


def value_of(metric: str, exposition: str) -> float:
    lines = [line for line in exposition.splitlines() if line.startswith(metric)]
    assert len(lines) == 1, exposition
    return float(lines[0].rpartition(" ")[2])


def test_workers_answer_for_each_other_and_a_killed_one_is_taken_off(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    options = {"METRICS": "on", "METRICS_TOKEN": TOKEN, "BCRYPT_ROUNDS": "4"}
    with running_server(project, "--workers", str(WORKERS), **options) as server:
        (folder,) = (project / ".local").glob("metrics-*")
        wait_until(lambda: len(workers_in(folder)) == WORKERS, PATIENCE_SECONDS, what="workers")

        def scrape() -> str:
            # A connection each: the kernel deals them out to the workers.
            response = httpx.get(server.base + "/metrics", headers=bearer(TOKEN), timeout=10)
            assert response.status_code == 200, response.text
            return response.text

        for _ in range(ASKED):
            httpx.get(server.base + "/nowhere", timeout=10)
        counted = 'latchkey_http_request_duration_seconds_count{method="GET",route="unknown"'
        # The last one is counted after it was answered.
        wait_until(lambda: value_of(counted, scrape()) == ASKED, PATIENCE_SECONDS, what="counts")
        assert {value_of(counted, scrape()) for _ in range(20)} == {ASKED}

        killed = min(workers_in(folder))
        os.kill(killed, signal.SIGKILL)
        wait_until(taken_off(killed, folder, scrape), PATIENCE_SECONDS, what="its replacement")
        assert value_of(counted, scrape()) == ASKED
        wait_until(
            lambda: value_of("latchkey_revocations_caught_up ", scrape()) == 1,
            PATIENCE_SECONDS,
            what="the other worker's revocations",
        )
        assert server.end() == 0
    assert not folder.exists()


def taken_off(killed: int, folder: Path, scrape: Callable[[], str]) -> Callable[[], bool]:
    """Whether the killed worker's files of what is under way are gone and another one has some."""

    def look() -> bool:
        try:
            scrape()
        except httpx.TransportError:  # its connections broke with it
            return False
        return killed not in workers_in(folder) and len(workers_in(folder)) == WORKERS

    return look
