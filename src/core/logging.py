"""JSON logs on standard output: one escaped line an event, secrets redacted."""

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
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
        fields = getattr(record, "fields", {})
        return _line(record.created, record.levelname, record.getMessage(), fields, record.exc_info)


def _line(
    at: float,
    level: str,
    event: str,
    fields: Mapping[str, Any],
    about: tuple[Any, Any, Any] | None,
) -> str:
    """The fields that are not None, after when and what it was."""
    milliseconds = int(at % 1 * 1000)
    line = {
        "time": f"{_second(int(at))}.{milliseconds:03d}+00:00",
        "level": level,
        "event": _redacted(event),
    }
    for name, value in fields.items():
        if value is not None:
            line[name] = _redacted(value) if isinstance(value, str) else value
    if about:
        line["traceback"] = _redacted("".join(traceback.format_exception(*about)))
    return _encoder.encode(line)


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _redacted(text: str) -> str:
    """The end of the text without secrets. Cut after they are out: half a token is one as well."""
    if len(text) <= MAX_VALUE_LENGTH and "eyJ" not in text and "://" not in text:
        return text
    examined = text[-MAX_EXAMINED_LENGTH:]
    examined = _TOKEN.sub("[token]", examined)
    examined = _URL_PASSWORD.sub(r"\1:[secret]@", examined)
    return examined[-MAX_VALUE_LENGTH:]


_encoder = json.JSONEncoder(default=lambda value: _redacted(str(value)))


class _Output(logging.StreamHandler[TextIO]):
    """Where the lines go."""

    def write(self, line: str) -> None:
        with self.lock or nullcontext():
            self.stream.write(line + self.terminator)
            self.stream.flush()


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """Send everything, the libraries' lines included, to standard output as JSON lines.

    A command that prints its result there gives another stream.

    Uvicorn's access log stays off: it would print query strings, and ours says more.
    """
    handler = _Output(stream or sys.stdout)
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
        self.fields = {name: value for name, value in fields.items() if value is not None}


def log_event(
    event: str,
    *,
    level: int = logging.INFO,
    exception: BaseException | None = None,
    **fields: Any,  # noqa: ANN401 - any JSON value
) -> None:
    """Log one event with its fields and those of its request. Absent ones (None) are left out."""
    level = logging.ERROR if exception else level
    if not _logger.isEnabledFor(level):
        return
    known = {**(_of_request.get() or {}), **fields}
    about = (type(exception), exception, exception.__traceback__) if exception else None
    output = _sole_output()
    if output is None:
        _logger.handle(_Event(level, event, about, known))
        return
    try:
        output.write(_line(time.time(), logging.getLevelName(level), event, known, about))
    except Exception:  # noqa: BLE001 - a full disk or a closed pipe: as the library does
        output.handleError(_Event(level, event, about, known))


def _sole_output() -> _Output | None:
    """Ours, unless there is anything else that wants a record: a collector's handler, a filter.

    A record and its way through `logging` cost more than all else around a small request.
    """
    root = _logger.root
    if len(root.handlers) != 1 or _logger.handlers or _logger.filters:
        return None
    (handler,) = root.handlers
    return handler if type(handler) is _Output and not handler.filters else None
