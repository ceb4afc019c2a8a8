"""SIGHUP asks a server to read its files again, but ends what a closed terminal leaves behind."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from tests.conftest import REPOSITORY

ENDED_SECONDS = 30.0
LISTENER = """
import asyncio
from src.core.hang_up import on_hang_up

async def main():
    heard = asyncio.Event()
    with on_hang_up(heard.set):
        print("listening", flush=True)
        await asyncio.wait_for(heard.wait(), 60)
        print("heard", flush=True)

asyncio.run(main())
"""


@contextmanager
def listener(terminal: int | None) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A process that waits for SIGHUP, at a terminal of its own or at none."""
    command = [sys.executable, "-c", LISTENER]
    if terminal is not None:  # the first terminal that a session's leader opens is its own
        name = os.ttyname(terminal)
        command[2] = f"import os; os.open({name!r}, os.O_RDWR)\n{LISTENER}"
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "listening\n"
            yield process, process.stdout
        finally:
            process.kill()


@pytest.mark.parametrize("at_terminal", [False, True])
def test_the_signal_is_heard(at_terminal: bool) -> None:  # noqa: FBT001 - a parameter of the test
    ours, theirs = pty.openpty()
    with listener(theirs if at_terminal else None) as (process, output):
        process.send_signal(signal.SIGHUP)
        assert output.readline() == "heard\n"
        assert process.wait(ENDED_SECONDS) == 0
    os.close(ours)
    os.close(theirs)


def test_closing_the_terminal_ends_the_process() -> None:
    ours, theirs = pty.openpty()
    with listener(theirs) as (process, _):
        os.close(theirs)
        os.close(ours)
        assert process.wait(ENDED_SECONDS) == -signal.SIGHUP
