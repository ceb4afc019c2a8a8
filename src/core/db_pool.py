"""A pool of database connections that says soon that none comes back, and waits while some do."""

import asyncio
from typing import Any, Final

from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util.concurrency import await_
from sqlalchemy.util.queue import AsyncAdaptedQueue, Empty

TICKS: Final = 3


class PatientQueue(AsyncAdaptedQueue[Any]):
    """The idle connections. Who waits for one is given up when none came back for `timeout`.

    A burst may take longer than that to be served: then all get their turn, one after another.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is
        super().__init__(maxsize, use_lifo)
        self._returned = 0

    def put_nowait(self, item: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        self._returned += 1
        super().put_nowait(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401, FBT001, FBT002
        """Raises: `Empty`, which the pool tells as a time-out."""
        try:
            return self.get_nowait()
        except Empty:
            if not block or timeout is None:
                raise
        try:
            return await_(self._wait(timeout))
        except TimeoutError as error:
            raise Empty from error

    async def _wait(self, seconds: float) -> Any:  # noqa: ANN401
        async with asyncio.timeout(None) as patience:
            watching = asyncio.create_task(self._watch(patience, seconds / TICKS))
            try:
                return await self._queue.get()
            finally:
                watching.cancel()

    async def _watch(self, patience: asyncio.Timeout, tick_seconds: float) -> None:
        """End the patience after quiet ticks. While the event loop stands still, one passes."""
        quiet = 0
        while quiet < TICKS:
            returned = self._returned
            await asyncio.sleep(tick_seconds)
            quiet = quiet + 1 if returned == self._returned else 0
        patience.reschedule(asyncio.get_running_loop().time())


class PatientPool(AsyncAdaptedQueuePool):
    """What an engine takes as its `poolclass`; its `pool_timeout` is that of `PatientQueue`."""

    _queue_class = PatientQueue
