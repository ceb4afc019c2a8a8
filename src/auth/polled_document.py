"""A JSON document of another service, read again and again by a thread. The standard library alone.

Each reading is bounded in size and time, follows no redirect, and costs little while nothing has
changed (ETag).
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

ANSWER_SECONDS: Final = 2.0
CHUNK_BYTES: Final = 65_536
NOT_MODIFIED: Final = 304

T = TypeVar("T")


class _NoRedirects(HTTPRedirectHandler):
    """Leaves 3xx to be raised as an HTTPError."""

    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the library's own
        return None


_opener = build_opener(_NoRedirects)


class PolledDocument(Generic[T]):
    """The last good reading is `value`; it is replaced whole, so that threads may share it."""

    def __init__(
        self,
        url: str,
        *,
        parse: Callable[[Any], T],
        first: T,
        most_bytes: int,
    ) -> None:
        """`url` is http:// or https://. `first` is the value before the first reading."""
        if not url.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        self.value = first
        self._url = url
        self._parse = parse
        self._most_bytes = most_bytes
        self._etag: str | None = None
        self._read_at: float | None = None

    @property
    def age(self) -> float | None:
        """Seconds since the value was last known to be right; None before the first time."""
        return None if self._read_at is None else time.monotonic() - self._read_at

    def read(self) -> bool:
        """Read it once; False when that failed, and the value stays."""
        asked_at = time.monotonic()
        try:
            self._read(deadline=asked_at + ANSWER_SECONDS)
        except Exception:  # noqa: BLE001 - whatever is wrong with an answer, the thread must go on
            return False
        self._read_at = asked_at
        return True

    def _read(self, *, deadline: float) -> None:
        headers = {"If-None-Match": self._etag} if self._etag else {}
        request = Request(self._url, headers=headers)  # noqa: S310 - the scheme was checked
        try:
            with _opener.open(request, timeout=ANSWER_SECONDS) as answer:
                body = self._body(answer, deadline)
                etag = answer.headers.get("ETag")
        except HTTPError as error:
            with error:
                if error.code == NOT_MODIFIED:
                    return
            raise
        self.value = self._parse(json.loads(body))
        self._etag = etag

    def _body(self, answer: Any, deadline: float) -> bytes:  # noqa: ANN401 - urllib's response
        body = bytearray()
        while chunk := answer.read1(CHUNK_BYTES):
            body += chunk
            if len(body) > self._most_bytes or time.monotonic() > deadline:
                raise ValueError("too large, or too slow")
        return bytes(body)
