"""What the parts tell of themselves while they work: a port, and whoever listens to nobody.

`app.py` plugs in what listens (METRICS=on: `src.health.prometheus`). Inside of a request, and of
the tasks that it starts, `metrics()` is that listener; what works without a request is given it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Final

from src.core.context_values import bound
from src.core.errors import Problem

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
SHARED_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"  # the name is prometheus-client's


class Metrics:
    """Hears everything and keeps nothing: METRICS=off.

    Every word that is told must be one of few: never an id, an address or what a client sent.
    """

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request ended: the path's template (None: no route of ours), 0 without an answer."""

    def signed_up(self, outcome: str) -> None:
        """`SUCCEEDED`, the slug of the problem, or `FAILED`."""

    def logged_in(self, outcome: str) -> None:
        """`SUCCEEDED`, the slug of the problem, or `FAILED`."""

    def refreshed(self, result: str) -> None:
        """A verdict in lower case, "invalid" or "unavailable"."""

    def session_ended(self, cause: str) -> None:
        """The cause as the history names it."""

    def hashing(self, passwords: int) -> None:
        """So many passwords are hashed or wait for it."""

    def speaking(self, replies: int) -> None:
        """So many replies of the assistant are under way."""

    def redis_unavailable(self) -> None:
        """Redis did not answer in time, or refused."""

    def revocation_arrived(self, lag_seconds: float) -> None:
        """A revocation reached this worker so long after it was published."""

    def revocations_caught_up(self, *, caught_up: bool) -> None:
        """Whether this worker knows all revocations."""


NOBODY = Metrics()
_of_request: ContextVar[Metrics] = ContextVar("metrics_of_request", default=NOBODY)


def metrics() -> Metrics:
    """Who listens to what this request does."""
    return _of_request.get()


def telling(listener: Metrics) -> AbstractContextManager[None]:
    """Everything inside the block is told to the listener."""
    return bound(_of_request, listener)


@contextmanager
def outcome_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell how the block ended; what a cancelled request came to, nobody knows."""
    try:
        yield
    except Problem as problem:
        tell(problem.slug)
        raise
    except Exception:
        tell(FAILED)
        raise
    tell(SUCCEEDED)
