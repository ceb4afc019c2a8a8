"""`run` with an asymmetric algorithm: it makes its first key pair and reads it again on SIGHUP."""

import json
import signal
from pathlib import Path

import httpx
import pytest

from src.first_run.failures import ExitCode
from tests.first_run.processes import running_server, wait_until

pytestmark = pytest.mark.faults
RELOADED_SECONDS = 30.0


def test_the_first_start_makes_a_key_pair_that_signs(project: Path) -> None:
    with running_server(project, JWT_ALGORITHM="ES256") as server:
        file = project / ".local" / "keys.json"
        assert file.stat().st_mode & 0o777 == 0o600
        (key,) = httpx.get(f"{server.base}/.well-known/jwks.json", timeout=30).json()["keys"]
        assert key["kid"] == json.loads(file.read_text())["access"][0]["kid"]
        status, body = server.post(
            "/auth/signup", email="pair@example.com", password="correct horse battery staple"
        )
        assert status == 201
        headers = {"Authorization": f"Bearer {body['access_token']}"}
        assert httpx.get(f"{server.base}/auth/me", headers=headers, timeout=30).status_code == 200
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "keys-reloaded" in server.printed, RELOADED_SECONDS, what="reloading")
        assert httpx.get(f"{server.base}/auth/me", headers=headers, timeout=30).status_code == 200
        assert server.end() == ExitCode.OK
    with running_server(project, JWT_ALGORITHM="ES256") as server:
        assert "Wrote an ES256 key" not in server.printed
        assert httpx.get(f"{server.base}/auth/me", headers=headers, timeout=30).status_code == 200
