"""To hear that the server is asked to stop while responses still run.

A server ends the lifespan only after the last response: those without an end would never learn.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_stop_signal(tell: Callable[[], None]) -> Iterator[None]:
    """While the block runs, a signal to stop calls `tell` in the event loop as well.

    What the server does on the signal it does as before. Where it handles none, or where we are
    not in the main thread, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    servers = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        handler = servers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    ours = [number for number, handler in servers.items() if callable(handler)]
    for number in ours:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is hear:
                signal.signal(number, servers[number])
