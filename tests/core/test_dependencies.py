"""What is pinned, and `make audit`, which never takes silence for good news."""

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from src.auth import key_ring
from tests.conftest import REPOSITORY
from tests.servers import free_port
from tools.audit import (
    WAIVERS,
    Finding,
    NothingKnownError,
    audit_npm,
    audit_python,
    main,
    read_waivers,
)

LOCKS = sorted(REPOSITORY.glob("requirements*.txt"))
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([0-9][^ ;]*)", re.MULTILINE)
# Those before have holes that matter to us.
AT_LEAST = {"starlette": (1, 3, 1), "python-multipart": (0, 0, 31), "python-jose": (3, 4)}


def version(text: str) -> tuple[int, ...]:
    """`1.3.1` → (1, 3, 1); what follows the numbers does not count."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def test_everything_is_pinned_with_hashes() -> None:
    assert len(LOCKS) >= 4
    for lock in LOCKS:
        entries = lock.read_text().replace("\\\n", "").splitlines()
        assert [e for e in entries if not (PIN.match(e) and "--hash=sha256:" in e)] == [], lock.name


def test_no_version_with_known_holes_is_pinned() -> None:
    pins = {pin for lock in LOCKS for pin in PIN.findall(lock.read_text())}
    assert [pin for pin in pins if version(pin[1]) < AT_LEAST.get(pin[0], ())] == []
    assert {"starlette", "python-jose"} <= {name for name, _ in pins}


def test_python_jose_signs_without_python_ecdsa_whose_signatures_tell_the_time() -> None:
    assert key_ring.__name__ in sys.modules
    assert [name for name in sys.modules if name.partition(".")[0] == "ecdsa"] == []


def test_a_waiver_holds_until_its_day_and_never_for_long(tmp_path: Path) -> None:
    entry = '[[waiver]]\nadvisory = "GHSA-1"\nreason = "%s"\nuntil = 2026-12-31\n'
    file = tmp_path / "waivers.toml"
    file.write_text(entry % "never called")
    assert read_waivers(file, today=date(2026, 12, 31)) == ({"GHSA-1"}, [])
    assert read_waivers(file, today=date(2027, 1, 1)) == (set(), ["GHSA-1"])
    assert read_waivers(file, today=date(2026, 10, 1)) == (set(), ["GHSA-1"])  # 91 days
    file.write_text(entry % "")
    assert read_waivers(file, today=date(2026, 12, 31)) == (set(), ["GHSA-1"])
    read_waivers(WAIVERS, today=date(2026, 1, 1))


def test_without_advisories_the_audit_fails_and_says_that_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["audit", *from_osv(free_port())])
    assert main() == 2
    assert "nothing is known" in capsys.readouterr().out


def from_osv(port: int) -> list[str]:
    return ["--vulnerability-service=osv", f"--osv-url=http://127.0.0.1:{port}/"]


@contextmanager
def source_that_knows(*packages: str) -> Iterator[int]:
    """A stand-in for OSV, which nobody runs at home, that has an advisory on each of these."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            found = {"vulns": [{"id": f"OSV-{name}", "affected": []}]} if name in packages else {}
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: tests have no use for it."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.faults
def test_a_source_that_knows_no_old_advisory_is_not_believed() -> None:
    with source_that_knows() as port, pytest.raises(NothingKnownError, match="jinja2"):
        list(audit_python(LOCKS, options=from_osv(port)))


@pytest.mark.faults
def test_what_the_source_knows_of_ours_is_found_and_nothing_else() -> None:
    lock = [REPOSITORY / "requirements.txt"]
    with source_that_knows("jinja2") as port:
        assert list(audit_python(lock, options=from_osv(port))) == []
    with source_that_knows("jinja2", "starlette") as port:
        (found,) = audit_python(lock, options=from_osv(port))
    assert found.package.startswith("starlette ")
    assert found.advisory == "OSV-starlette"
    assert isinstance(found, Finding)


@pytest.mark.faults
def test_every_lock_is_read() -> None:
    with source_that_knows("jinja2") as port:
        found = list(audit_python(LOCKS, options=from_osv(port)))
    assert {finding.package.split()[0] for finding in found} == {"jinja2"}  # the newest, for tests


@pytest.mark.interop
def test_npm_without_its_registry_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(NothingKnownError, match="ECONNREFUSED"):
        list(audit_npm(REPOSITORY / "tests" / "interop"))
