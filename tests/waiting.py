"""Waiting for what comes in its own time, and for server processes, at little cost to the machine.

A client of httpx reads every authority's certificate when it is made: 25 ms of a core, also where
there is no TLS. Asked again and again by who waits for a server, that slows the server's start.
"""

import asyncio
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

import pytest

START_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.05
# For `verify` of clients that only speak http://. It trusts nobody.
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def comes_true(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it does so before our patience ends. How soon it does is for fault runs to say."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def wait_until_it_answers(
    base: str,
    process: subprocess.Popen[bytes],
    *,
    path: str = "/healthz",
    printed: Callable[[], str],
) -> None:
    """Until the server at `http://host:port` answers 200; else the test fails with its output."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(base, path):
            return
        time.sleep(POLL_SECONDS)
    pytest.fail(f"the server did not start:\n{printed()[-4_000:]}")


def _answers(base: str, path: str) -> bool:
    connection = HTTPConnection(base.removeprefix("http://"), timeout=START_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
