"""uvicorn as we run it: bounded connections, workers that are replaced, an end in time."""

import socket
import sys
from dataclasses import dataclass
from typing import Final

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload

from src.core.logging import log_event
from src.first_run.bounded_http import BoundedHttp
from src.first_run.failures import ExitCode
from src.first_run.workers import GRACEFUL_SECONDS, Workers, prepare_workers

# A worker that says nothing for so long hangs. It is silent while it imports us: on a busy machine
# longer than the 5 s of uvicorn, which would then kill it again and again.
HANGING_SECONDS: Final = 15
OTHER_FILES: Final = 256  # connections to database and Redis, logs, libraries


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the server is to run: `workers` processes, or one that starts again on every change."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    reload: bool = False


def serve(options: ServerOptions, listener: socket.socket) -> None:
    """Serve until a signal says to stop."""
    _allow_open_files(BoundedHttp.most_connections + OTHER_FILES)
    config = Config(
        "src.main:app",
        host=options.host,
        port=options.port,
        workers=options.workers,
        reload=options.reload,
        reload_dirs=["src"] if options.reload else None,
        http=BoundedHttp,
        ws="none",  # there are none here, whatever happens to be installed
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody may choose the address that limits are counted for
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        timeout_worker_healthcheck=HANGING_SECONDS,
    )
    server = Server(config)
    if config.should_reload:
        ChangeReload(config, target=server.run, sockets=[listener]).run()
        return
    if config.workers > 1:
        prepare_workers()
        supervisor = Workers(config, sockets=[listener])
        supervisor.run()
        started = all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)
    else:
        server.run(sockets=[listener])
        started = server.started
    if not started:  # what was wrong is in the log already
        sys.exit(ExitCode.FAILED)


def _allow_open_files(wanted: int) -> None:
    """As many as the system lets us open, `wanted` at most; workers inherit it."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log_event("few-open-files", allowed=allowed, wanted=wanted)
