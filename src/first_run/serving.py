"""uvicorn as we run it: bounded connections, workers that are replaced, an end in time."""

import socket
import sys
import time
from dataclasses import dataclass
from typing import Final

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload, Multiprocess

from src.core.logging import log_event
from src.first_run.bounded_http import BoundedHttp
from src.first_run.failures import ExitCode

GRACEFUL_SECONDS: Final = 7  # the rest of ten is for what follows, and for Redis
# A worker that says nothing for so long hangs. It is silent while it imports us: on a busy machine
# longer than the 5 s of uvicorn, which would then kill it again and again.
HANGING_SECONDS: Final = 15
LAST_SECONDS: Final = 1.0  # after these, a worker that should have ended is frozen
OTHER_FILES: Final = 256  # connections to database and Redis, logs, libraries


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the server is to run: `workers` processes, or one that starts again on every change."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    reload: bool = False


class Workers(Multiprocess):
    """The supervisor: it replaces workers that died or hang, and in the end awaits none for ever.

    Of uvicorn 0.54.0 it relies on `processes`, each with its `process` of multiprocessing and the
    `child_conn` by which that is asked whether it lives.
    """

    def keep_subprocess_alive(self) -> None:
        for worker in self.processes:
            worker.child_conn.close()  # only its own end is left: it dies, and no answer is awaited
        super().keep_subprocess_alive()

    def join_all(self) -> None:
        end = time.monotonic() + GRACEFUL_SECONDS + LAST_SECONDS
        for worker in self.processes:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.exitcode is None:
                log_event("worker-killed", process=worker.pid)
                worker.process.kill()
        super().join_all()


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
