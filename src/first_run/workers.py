"""Workers that are there at once, are replaced when they die, and never outlive their supervisor.

A new Python process imports for about a second before it can serve. So, where a fork is safe,
workers are forked from a process of their own that did nothing but import.

Of uvicorn 0.54.0 it relies on `Multiprocess.processes`, each a `Process` with its `process` of
multiprocessing and the pipe `parent_conn`, `child_conn` by which that is asked whether it lives.
"""

import multiprocessing
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Final

from uvicorn import _subprocess
from uvicorn.supervisors import Multiprocess, multiprocess

from src.core.logging import log_event

GRACEFUL_SECONDS: Final = 6  # the rest of ten is for what follows, and for Redis
LAST_SECONDS: Final = 1.0  # after these, a worker that should have ended is frozen
FORKING: Final = "forkserver"
PRELOADED: Final = [
    "src.app",
    # What `src.cli` imports: multiprocessing runs the main module once more in every worker.
    "src.first_run.client_commands",
    "src.first_run.doctor",
    "src.first_run.run",
    "src.first_run.secret_commands",
    "aiosqlite",
    "asyncpg",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    # What a worker by itself imports when it is first asked for it.
    "src.anatomy.body_picture",
    "src.assistant.local",
    "src.first_run.preloaded",
]


class Worker(multiprocess.Process):
    """One process that serves, seen from the supervisor and, in `target`, from itself."""

    def start(self) -> None:
        super().start()
        self._heard_at = time.monotonic()

    def is_alive(self, timeout: float = 5) -> bool:
        """Whether it runs and was heard of within `timeout` seconds.

        It is asked anew, and not waited for: nothing else would be looked after meanwhile, neither
        another worker nor a signal to stop.
        """
        if not self.process.is_alive():
            return False
        while self.parent_conn.poll():
            self.parent_conn.recv()
            self._heard_at = time.monotonic()
        self.parent_conn.send(b"ping")
        return time.monotonic() - self._heard_at < timeout

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        for number in signals_to_all():
            signal.signal(number, signal.SIG_DFL)
        self.parent_conn.close()  # of the pipe only our own end is left: without supervisor it ends
        super().target(sockets)

    def always_pong(self) -> None:
        """Answer the supervisor; end in order once it is gone, or has given us up."""
        with suppress(EOFError, OSError):
            super().always_pong()
        os.kill(os.getpid(), signal.SIGTERM)


class Workers(Multiprocess):
    """The supervisor: it replaces workers that died or hang, and awaits none for ever."""

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()  # else clients would wait at a port where nobody is left to serve them
        super().terminate_all()

    def join_all(self) -> None:
        end = time.monotonic() + GRACEFUL_SECONDS + LAST_SECONDS
        for worker in self.processes:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.exitcode is None:
                log_event("worker-killed", process=worker.pid)
                worker.process.kill()
        super().join_all()


def prepare_workers() -> None:
    """Have uvicorn start its workers as ours; it has no setting for either."""
    multiprocess.Process = Worker  # type: ignore[misc]
    if can_fork():
        forking = multiprocessing.get_context(FORKING)
        forking.set_forkserver_preload(PRELOADED)
        _subprocess.spawn = forking  # type: ignore[assignment]


def can_fork() -> bool:
    """Not on Windows, which has no fork, nor on macOS, whose libraries may not survive one."""
    return FORKING in multiprocessing.get_all_start_methods() and sys.platform != "darwin"


def signals_to_all() -> list[signal.Signals]:
    """Those that may be sent to all processes at once: the supervisor is the one to follow them."""
    return [signal.SIGTERM, signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
