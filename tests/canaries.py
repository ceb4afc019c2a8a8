"""A mark in the password that tests sign up with, so that a copy is found wherever it ends up.

Tokens need none: every JWT begins with the same letters. Both are looked for in all that this
process logs, in what the application answers (there, only passwords), and, when the tests are over,
in all that was written to the session's Redis and databases.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging import LogRecord
from pathlib import Path
from typing import Final

from starlette.types import Message, Send

from src.core.logging import JsonLines

CANARY: Final = "canary 5d0c8e71f3"
# Redis and PostgreSQL keep what was written although it is deleted, and so it can be looked for:
# the one in a log that is never made shorter, the other in its write-ahead log.
REDIS_KEEPS_ALL: Final = (
    "--appendonly",
    "yes",
    "--appendfsync",
    "no",
    "--auto-aof-rewrite-percentage",
    "0",
)
# A header and the beginning of claims, each base64url of a JSON object (RFC 7515 §7.1).
_TOKEN: Final = re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}")
_PASSWORD: Final = re.compile(CANARY.encode())
_AROUND: Final = 80  # bytes, for the message


def secret_in(written: bytes) -> str | None:
    """What stands around the first password or token, if there is any."""
    # One after the other: both at once would take many times as long.
    found = _PASSWORD.search(written) or _TOKEN.search(written)
    return str(written[max(0, found.start() - _AROUND) : found.end()]) if found else None


def expect_no_secret_in(folder: Path) -> None:
    """In no file, whatever it is. Raises: AssertionError."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # its server runs, and takes files away
            secret = secret_in(path.read_bytes()) if path.is_file() else None
            assert secret is None, f"{path} holds a secret: {secret}"


def without_passwords(send: Send) -> Send:
    """Sends what it is given, and raises AssertionError for a password in it."""

    async def checked(message: Message) -> None:
        assert CANARY.encode() not in message.get("body", b""), "an answer holds a password"
        await send(message)

    return checked


@contextmanager
def logging_no_secret() -> Iterator[None]:
    """Raises: AssertionError, at the end, when a line that was logged meanwhile held one."""
    original, told = JsonLines.format, list[str]()

    def watched(self: JsonLines, record: LogRecord) -> str:
        line = original(self, record)
        if secret_in(line.encode()):
            told.append(line)
        return line

    JsonLines.format = watched  # type: ignore[method-assign]
    yield
    JsonLines.format = original  # type: ignore[method-assign]
    assert not told, f"a secret was logged: {told[0]}"
