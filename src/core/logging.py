"""JSON logs on standard output: one escaped line an event, secrets redacted."""

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

from src.core.context_values import bound

_logger = logging.getLogger("latchkey")

# A JWT or its beginning, wherever it turns up: base64url of a JSON object, then more segments.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}+(?:\.[A-Za-z0-9_-]*+)*")
# Up to the last @: a password may hold one that nobody escaped.
_URL_PASSWORD = re.compile(r"(?<=://)([^:/?#@\s]*):\S*@")
MAX_VALUE_LENGTH = 2_000
MAX_EXAMINED_LENGTH = 20_000

# What every event inside a request carries; services need not know of it.
_of_request: ContextVar[Mapping[str, str | None] | None] = ContextVar("of_request", default=None)


class JsonLines(logging.Formatter):
    """One JSON object a line: CR, LF, ANSI and all non-ASCII are escaped, so none is forged."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": _redacted(record.getMessage()),
        }
        for name, value in getattr(record, "fields", {}).items():
            fields[name] = _redacted(value) if isinstance(value, str) else value
        if record.exc_info:
            fields["traceback"] = _redacted("".join(traceback.format_exception(*record.exc_info)))
        return _encoder.encode(fields)


def _redacted(text: str) -> str:
    """The end of the text without secrets. Cut after they are out: half a token is one as well."""
    examined = text[-MAX_EXAMINED_LENGTH:]
    if "eyJ" in examined:
        examined = _TOKEN.sub("[token]", examined)
    if "://" in examined:
        examined = _URL_PASSWORD.sub(r"\1:[secret]@", examined)
    return examined[-MAX_VALUE_LENGTH:]


_encoder = json.JSONEncoder(default=lambda value: _redacted(str(value)))


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """Send everything, the libraries' lines included, to standard output as JSON lines.

    A command that prints its result there gives another stream.

    Uvicorn's access log stays off: it would print query strings, and ours says more.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _logger.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False


def logging_request(*, request_id: str, ip: str | None) -> AbstractContextManager[None]:
    """Every event that is logged inside the block says of which request it is."""
    return bound(_of_request, {"request_id": request_id, "ip": ip})


# Members of a record that no line of ours has; a formatter of somebody else's may ask for them.
_UNKNOWN: Final = {
    **dict.fromkeys(("pathname", "filename", "module"), ""),
    **dict.fromkeys(("args", "funcName", "exc_text", "stack_info"), None),
    **dict.fromkeys(("lineno", "msecs", "relativeCreated"), 0),
}


class _Event(logging.LogRecord):
    """A record of what is in our lines. The library's looks up caller, thread and task as well."""

    def __init__(
        self,
        level: int,
        event: str,
        about: tuple[type[BaseException], BaseException, TracebackType | None] | None,
        fields: dict[str, Any],
    ) -> None:
        self.__dict__.update(_UNKNOWN)
        self.name = _logger.name
        self.levelno = level
        self.levelname = logging.getLevelName(level)
        self.created = time.time()
        self.msg = event
        self.exc_info = about
        self.fields = fields


def log_event(
    event: str,
    *,
    level: int = logging.INFO,
    exception: BaseException | None = None,
    **fields: Any,  # noqa: ANN401 - any JSON value
) -> None:
    """Log one event with its fields and those of its request. Absent ones (None) are left out."""
    level = logging.ERROR if exception else level
    if _logger.isEnabledFor(level):
        known = {**(_of_request.get() or {}), **fields}
        about = (type(exception), exception, exception.__traceback__) if exception else None
        present = {name: value for name, value in known.items() if value is not None}
        record = _Event(level, event, about, present)
        _logger.handle(record)
