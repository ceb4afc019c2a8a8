"""Worker processes of the server, and clients that talk to all of them at once."""

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import cycle
from tempfile import TemporaryFile
from typing import IO

import httpx

from src.core.settings import Settings
from tests.conftest import REPOSITORY
from tests.servers import end, free_port
from tests.waiting import NO_TLS, wait_until_it_answers

# Longer than any answer should take, the queue for real password hashes included.
ANSWER_SECONDS = 120.0
POLL_SECONDS = 0.02
MOST_LOG_BYTES = 10_000_000
SERVICE_SECRET = secrets.token_urlsafe(48)  # which other services share with the workers


@dataclass(frozen=True)
class Worker:
    """One server process with its own port, pools and memory; it shares Redis and the database."""

    process: subprocess.Popen[bytes]
    port: int
    log: IO[bytes]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logged(self) -> bytes:
        """Everything that it has printed so far."""
        return os.pread(self.log.fileno(), MOST_LOG_BYTES, 0)

    @property
    def printed(self) -> str:
        """The same, for the message of a test that fails."""
        return self.logged.decode(errors="replace")[-4_000:]


class Workers:
    """Several worker processes, used in turn: neighbouring requests never meet in one process."""

    def __init__(self, workers: list[Worker], clients: list[httpx.AsyncClient]) -> None:
        self.workers = workers
        self.clients = clients
        self._turn = cycle(clients)

    @property
    def next(self) -> httpx.AsyncClient:
        return next(self._turn)

    async def at_once(
        self,
        count: int,
        request: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]],
    ) -> list[httpx.Response]:
        """The answers to `count` requests, all sent before the first is answered."""
        return await asyncio.gather(*(request(self.next) for _ in range(count)))


def server_environment(*, database_url: str, redis_url: str, **changes: str) -> dict[str, str]:
    """A production-like environment with keys of its own and nothing inherited from a `.env`."""
    inherited = {k: v for k, v in os.environ.items() if k not in Settings.model_fields}
    return {
        **inherited,
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_REFRESH_SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_KEYS_FILE": "no such file",
        "SERVICE_TOKEN_SECRET": SERVICE_SECRET,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "BCRYPT_ROUNDS": "4",
        "RATE_LIMITS": "off",
        "LOG_LEVEL": "WARNING",
        **changes,
    }


@contextmanager
def worker_processes(
    count: int,
    environment: dict[str, str],
    *,
    app: str = "src.main:app",
    options: Sequence[str] = (),
    alive: str = "/healthz",
) -> Iterator[list[Worker]]:
    """Workers of uvicorn that answer, started side by side; ended with the block."""
    workers: list[Worker] = []
    try:
        for _ in range(count):
            workers.append(_start(environment, app, options))  # noqa: PERF401 - those before a failure must end
        for worker in workers:
            _wait_until_alive(worker, alive)
        yield workers
    finally:
        for worker in workers:  # before the first is waited for
            worker.process.terminate()
        for worker in workers:
            end(worker.process)
            worker.log.close()


@asynccontextmanager
async def clients_of(workers: list[Worker]) -> AsyncIterator[Workers]:
    """One client for each worker, without a limit of its own on parallel requests."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    clients = [
        httpx.AsyncClient(
            base_url=w.base, limits=limits, timeout=ANSWER_SECONDS, trust_env=False, verify=NO_TLS
        )
        for w in workers
    ]
    try:
        yield Workers(workers, clients)
    finally:
        for client in clients:
            await client.aclose()


def statuses(responses: Iterable[httpx.Response]) -> dict[int, int]:
    """How many answers there are of each status."""
    return dict(sorted(Counter(response.status_code for response in responses).items()))


async def timed(request: Awaitable[httpx.Response]) -> tuple[httpx.Response, float]:
    """An answer and the seconds that it took."""
    started = time.perf_counter()
    response = await request
    return response, time.perf_counter() - started


async def until(
    request: Callable[[], Awaitable[httpx.Response]],
    status: int,
    *,
    within: float,
) -> float:
    """Ask until the answer has this status; the seconds it took. Raises: AssertionError."""
    started = time.perf_counter()
    while True:
        response = await request()
        elapsed = time.perf_counter() - started
        if response.status_code == status:
            return elapsed
        assert elapsed < within, f"after {elapsed:.1f} s still {response.status_code}"
        await asyncio.sleep(POLL_SECONDS)


def report(what: str, **figures: object) -> None:
    """One line of figures; `pytest -s` shows it."""
    sys.stdout.write(f"\n{what}: {', '.join(f'{k} {v}' for k, v in figures.items())}\n")


def milliseconds(seconds: Iterable[float]) -> str:
    """Median and maximum, for a report."""
    measured = list(seconds)
    return f"{statistics.median(measured) * 1000:.0f} (max {max(measured) * 1000:.0f}) ms"


def _start(environment: dict[str, str], app: str, options: Sequence[str]) -> Worker:
    port = free_port()
    log = TemporaryFile()  # noqa: SIM115 - closed at the end; a full pipe would stop the worker
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", app, "--port", str(port), *options],
        cwd=REPOSITORY,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    return Worker(process, port, log)


def _wait_until_alive(worker: Worker, path: str) -> None:
    wait_until_it_answers(worker.base, worker.process, path=path, printed=lambda: worker.printed)
