"""To hear SIGHUP, by which operators ask a server to read its files again."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

TERMINAL: Final = Path("/dev/tty")


@contextmanager
def on_hang_up(tell: Callable[[], None]) -> Iterator[None]:
    """While the block runs, SIGHUP calls `tell` in the event loop instead of ending the process.

    A process whose terminal was closed ends as before: it gets the same signal. Where somebody
    else handles it, or where we are not in the main thread, nothing is changed.
    """
    if not _is_ours():
        yield
        return
    loop = asyncio.get_running_loop()
    had_terminal = _has_terminal()

    def hear(_: int, __: FrameType | None) -> None:
        if had_terminal and not _has_terminal():
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGHUP)
        else:
            loop.call_soon_threadsafe(tell)

    before = signal.signal(signal.SIGHUP, hear)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGHUP) is hear:
            signal.signal(signal.SIGHUP, before)


def _is_ours() -> bool:
    if not hasattr(signal, "SIGHUP"):  # Windows
        return False
    free = (signal.SIG_DFL, signal.SIG_IGN)
    in_main_thread = threading.current_thread() is threading.main_thread()
    return in_main_thread and signal.getsignal(signal.SIGHUP) in free


def _has_terminal() -> bool:
    try:
        with TERMINAL.open("rb"):
            return True
    except OSError:
        return False
