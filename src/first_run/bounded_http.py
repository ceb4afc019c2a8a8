"""HTTP that no client can hold up: the time, bytes and connections that uvicorn does not bound.

Made for uvicorn 0.54.0, whose httptools protocol was read. It relies on the callbacks of parser
and transport, and on three attributes: `connections`, `pipeline`, and `cycle` with its
`response_started` and `response_complete`.
"""

import asyncio
from enum import Enum
from typing import Any, ClassVar

from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from src.core.errors import BadRequest, HeaderTooLarge, Problem, ServiceUnavailable
from src.core.logging import logging_request
from src.core.problem_json import log_problem, phrase_of, render


class TooManyConnections(ServiceUnavailable):
    detail = "Too many connections at the moment. Try again in a few seconds."
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class Awaited(Enum):
    """What the client owes us. While it owes nothing, we owe an answer, however long that takes."""

    HEAD = "a request, up to the end of its headers"
    BODY = "the rest of a body"


class BoundedHttp(HttpToolsProtocol):
    """One connection.

    The application limits what it is given (32 KiB of headers, 256 KiB and 9 s for a body) and
    says so in problems. Here is bounded what never gets as far as that, so these limits are wider.
    """

    head_seconds: ClassVar = 9.0  # with what the network takes, ten
    body_seconds: ClassVar = 12.0  # where nobody reads the body; else 408 comes first
    # From a full buffer to one that has room again: 48 KiB. Who reads slower holds up an answer.
    answer_seconds: ClassVar = 30.0
    # Header, trailer or chunk extension: what the parser collects before it tells anything.
    most_unparsed_bytes: ClassVar = 64 * 1024
    # When the server ends: for requests that were on their way before anybody was told.
    last_seconds: ClassVar = 0.5
    # An idle one costs about 20 KB, and 1,000 silent ones must leave room for everybody else.
    most_connections: ClassVar = 4_000

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **options)
        self._unparsed_bytes = 0
        self._body_is_due = False
        self._is_ending = False
        self._awaited: Awaited | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    # What the transport tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(TooManyConnections())
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._unparsed_bytes > self.most_unparsed_bytes:
            self._refuse(HeaderTooLarge())
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    # What the server tells

    def shutdown(self) -> None:
        """Take what is on its way, and say with its answer that it is the last one.

        uvicorn would close a connection at once unless it is answering: also when a request lies
        there that it has not read.
        """
        self._is_ending = True
        if not self._is_answering():
            self._end_soon()
        elif not self.cycle.response_started:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_ending and not self.transport.is_closing():
            self._end_soon()  # its client could not be told any more

    def _end_soon(self) -> None:
        self.loop.call_later(self.last_seconds, self._end_unless_answering)

    def _end_unless_answering(self) -> None:
        if not self._is_answering():
            self.transport.close()

    # What the parser tells

    def on_header(self, name: bytes, value: bytes) -> None:
        """Leave trailers out: they would join headers that were looked at (RFC 9110 §6.5.1)."""
        if not self._body_is_due:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unparsed_bytes = 0
        self._body_is_due = True
        super().on_headers_complete()
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._body_is_due = False
        self._watch()  # the next body on this connection has its own time

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest(cause=msg))

    # What follows from it

    def _watch(self) -> None:
        """Give the client its time for what it owes since this moment."""
        awaited = None if self.transport.is_closing() else self._what_is_awaited()
        if awaited is self._awaited:
            return
        self._awaited = awaited
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if awaited is not None:
            seconds = self.head_seconds if awaited is Awaited.HEAD else self.body_seconds
            self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _what_is_awaited(self) -> Awaited | None:
        """Between answer and next request nothing is: uvicorn counts that time until data comes."""
        if self.pipeline:  # we do not read: it is not the client who is slow
            return None
        if self._body_is_due:
            return Awaited.BODY
        return None if self._is_answering() else Awaited.HEAD

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, problem: Problem) -> None:
        """Say why, unless it would be taken for the answer to another request, and hang up."""
        if self.transport.is_closing():
            return
        is_next = self._body_is_due and not self.pipeline and not self.cycle.response_started
        if is_next or not self._is_answering():
            self.transport.write(self._response(problem))
        self.transport.close()

    def _response(self, problem: Problem) -> bytes:
        request_id = str(uuid7())
        with logging_request(request_id=request_id, ip=self.client[0] if self.client else None):
            log_problem(problem)
        response = render(problem, request_id=request_id)
        response.headers.update(
            {
                "connection": "close",
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
                "x-request-id": request_id,
            }
        )
        lines = [f"HTTP/1.1 {problem.status} {phrase_of(problem.status)}".encode()]
        lines += [name + b": " + value for name, value in response.raw_headers]
        return b"\r\n".join([*lines, b"", bytes(response.body)])
