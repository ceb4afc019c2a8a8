"""A web server with one document, which the test changes, holds back or spoils."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

END_POLL_SECONDS = 0.01


class Served(ThreadingHTTPServer):
    """The document and how it is answered. `asked_at` has the monotonic time of each request."""

    daemon_threads = True

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/document"
        self.body = body
        self.status, self.etag = 200, '"first"'
        self.location = ""
        self.released = Event()  # answers wait for it
        self.released.set()
        self.asked_with: list[str | None] = []
        self.asked_at: list[float] = []

    def change(self, body: bytes) -> None:
        self.body, self.etag = body, f'"{hash(body)}"'


class _Handler(BaseHTTPRequestHandler):
    server: Served
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        served, known = self.server, self.headers.get("If-None-Match")
        served.asked_with.append(known)
        served.asked_at.append(time.monotonic())
        served.released.wait()
        status = 304 if known == served.etag and served.status == 200 else served.status
        body = b"" if status == 304 else served.body
        self.send_response(status)
        self.send_header("ETag", served.etag)
        self.send_header("Content-Length", str(len(body)))
        if served.location:
            self.send_header("Location", served.location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def served(body: bytes) -> Iterator[Served]:
    with Served(body) as server:
        thread = Thread(target=server.serve_forever, args=[END_POLL_SECONDS], daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()
