"""JSON logs on standard output: one escaped line an event, secrets redacted."""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

_logger = logging.getLogger("latchkey")

# A JWT, wherever it turns up: three base64url segments of which the first is a JSON object's.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*")
_URL_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^@/\s]+@")
MAX_VALUE_LENGTH = 2_000


class JsonLines(logging.Formatter):
    """One JSON object a line. `json.dumps` escapes CR, LF, ANSI and all non-ASCII: no forged line."""

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
        return json.dumps(fields, default=str)


def _redacted(text: str) -> str:
    shortened = text if len(text) <= MAX_VALUE_LENGTH else text[-MAX_VALUE_LENGTH:]
    return _URL_PASSWORD.sub(r"\1:[secret]@", _TOKEN.sub("[token]", shortened))


def configure_logging(level: str) -> None:
    """Send everything, the libraries' lines included, through one JSON handler.

    Uvicorn's access log stays off: it would print query strings, and ours says more.
    """
    handler = logging.StreamHandler(sys.stdout)
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


def log_event(event: str, *, exception: BaseException | None = None, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
    """Log one event with its fields. Absent fields (None) are left out."""
    level = logging.ERROR if exception else logging.INFO
    if _logger.isEnabledFor(level):
        present = {name: value for name, value in fields.items() if value is not None}
        _logger.log(level, event, exc_info=exception, extra={"fields": present})
