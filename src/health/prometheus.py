"""What Prometheus is told: the metrics of docs/operations.md, and the route that shows them.

Several workers share files in PROMETHEUS_MULTIPROC_DIR, which `python -m src.cli run` sets; any of
them answers for all. Without it a process answers for itself.
"""

import hmac
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from pydantic import SecretStr

from src.core.errors import AuthenticationRequired, InvalidToken
from src.core.identity import presented_bearer_token
from src.core.metrics import SHARED_DIRECTORY, Metrics

UNKNOWN: Final = "unknown"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LAG_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)

_GAUGE_OF: Final = re.compile(r"gauge_live\w+_(\d+)\.db")


class PrometheusMetrics(Metrics):
    """Counts in a registry of its own, or in the files of this process."""

    def __init__(self) -> None:
        # They would be a second series for each, which no query of ours asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._requests = Histogram(
            "latchkey_http_request_duration_seconds",
            "Time to the end of the answer",
            ["method", "route", "status"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._signups = _counter("latchkey_signup", "Sign-ups", "outcome", registry)
        self._logins = _counter("latchkey_login", "Log-ins by password", "outcome", registry)
        self._refreshes = _counter(
            "latchkey_refresh", "Refresh tokens presented", "result", registry
        )
        self._ended = _counter("latchkey_session_ended", "Sessions ended", "cause", registry)
        self._redis = Counter(
            "latchkey_redis_unavailable", "Commands that Redis did not answer", registry=registry
        )
        self._lag = Histogram(
            "latchkey_revocation_lag_seconds",
            "Time from publishing a revocation to its arrival in a worker",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        self._hashing = Gauge(
            "latchkey_hash_queue_depth",
            "Passwords that are hashed or wait for it",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._speaking = Gauge(
            "latchkey_chat_streams",
            "Replies of the assistant under way",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._caught_up = Gauge(
            "latchkey_revocations_caught_up",
            "1 where every worker knows all revocations",
            multiprocess_mode="livemin",
            registry=registry,
        )

    def exposition(self) -> bytes:
        """Everything, in Prometheus's text format."""
        directory = os.environ.get(SHARED_DIRECTORY)
        if directory is None:
            return generate_latest(self._registry)
        _forget_dead_workers(Path(directory))
        of_all_workers = CollectorRegistry()
        MultiProcessCollector(of_all_workers, directory)  # type: ignore[no-untyped-call]
        return generate_latest(of_all_workers)

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        self._requests.labels(
            method if method in METHODS else UNKNOWN,
            route or UNKNOWN,
            f"{status // 100}xx" if status else "none",
        ).observe(seconds)

    def signed_up(self, outcome: str) -> None:
        self._signups.labels(outcome).inc()

    def logged_in(self, outcome: str) -> None:
        self._logins.labels(outcome).inc()

    def refreshed(self, result: str) -> None:
        self._refreshes.labels(result).inc()

    def session_ended(self, cause: str) -> None:
        self._ended.labels(cause).inc()

    def hashing(self, passwords: int) -> None:
        self._hashing.set(passwords)

    def speaking(self, replies: int) -> None:
        self._speaking.set(replies)

    def redis_unavailable(self) -> None:
        self._redis.inc()

    def revocation_arrived(self, lag_seconds: float) -> None:
        self._lag.observe(lag_seconds)

    def revocations_caught_up(self, *, caught_up: bool) -> None:
        self._caught_up.set(caught_up)


def build_metrics_router(exposition: Callable[[], bytes], token: SecretStr) -> APIRouter:
    """`GET /metrics` for who has the token."""
    router = APIRouter(tags=["system"])
    expected = token.get_secret_value().encode()

    def require_token(request: Request) -> None:
        presented = presented_bearer_token(request)
        if presented is None:
            raise AuthenticationRequired
        if not hmac.compare_digest(presented.encode(), expected):
            raise InvalidToken(cause="not METRICS_TOKEN")

    @router.get(
        "/metrics",
        dependencies=[Depends(require_token)],
        response_class=PlainTextResponse,
        include_in_schema=False,  # it is for Prometheus, not for clients
    )
    def read_metrics() -> Response:
        """The metrics in Prometheus's text format."""
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    return router


def _counter(name: str, what: str, label: str, registry: CollectorRegistry) -> Counter:
    return Counter(name, what, [label], registry=registry)


def _forget_dead_workers(directory: Path) -> None:
    """What a worker counted remains; what was under way in it ended with it."""
    for file in directory.glob("gauge_live*.db"):
        of_process = _GAUGE_OF.fullmatch(file.name)
        if of_process and not _lives(int(of_process[1])):
            with suppress(FileNotFoundError):  # another worker is asked at the same time
                mark_process_dead(int(of_process[1]), directory)  # type: ignore[no-untyped-call]


def _lives(process_id: int) -> bool:
    if sys.platform == "win32":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's by now
        return False
    return True
