"""Traces: spans that a collector gets, what they tell, and that nobody gets any unless asked."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from src.app import create_app
from src.core.settings import Settings
from src.health.traces import ENDPOINTS, NOT_TOLD, OFF, tracing
from tests.conftest import running

pytestmark = pytest.mark.one_database


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENDPOINTS, "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """The address of an OTLP collector, and the bodies that it got."""
    bodies: list[bytes] = []

    class Collect(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Collect) as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", bodies
        finally:
            server.shutdown()
            thread.join()


def spans_in(bodies: list[bytes]) -> list[tuple[str, dict[str, Any]]]:
    """The spans' names and attributes."""
    return [
        (span.name, {each.key: each.value.string_value for each in span.attributes})
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


async def send_all(app: FastAPI) -> None:
    provider: Any = app._telemetry["tracer_provider"]
    provider.shutdown()


async def test_a_collector_gets_routes_and_never_paths_queries_or_tokens(
    settings: Settings,
    client: httpx.AsyncClient,  # noqa: ARG001 - empties the stores
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = secrets.token_urlsafe(12)
    with collector() as (address, bodies):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        app = create_app(settings)
        async with running(app) as traced:
            await traced.get("/healthz")
            headers = {"Authorization": f"Bearer {secret}", "Cookie": f"a={secret}"}
            await traced.delete(f"/auth/sessions/{secret}?q={secret}", headers=headers)
        await send_all(app)

    (alive, _), (ended, told) = spans_in(bodies)
    assert (alive, ended) == ("GET /healthz", "DELETE /auth/sessions/{session_id}")
    assert told["http.route"] == "/auth/sessions/{session_id}"
    assert told["url.path"] == told["url.query"] == NOT_TOLD
    assert secret.encode() not in b"".join(bodies)


def test_nothing_is_traced_unless_the_environment_says_where_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert tracing() == OFF
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert tracing() == OFF


def test_without_the_packages_it_says_so_and_serves(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)

    assert tracing() == OFF
    assert [record.getMessage() for record in caplog.records] == ["traces-not-sent"]
