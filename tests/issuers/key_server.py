"""A real HTTP server on loopback that publishes keys, as well or as badly as a test wants."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

Answer = Callable[[BaseHTTPRequestHandler], None]


def public_jwk(key: Any, kid: str, **members: Any) -> dict[str, Any]:
    """The JWK of a private key's public half."""
    names: dict[str, Any] = {"Ed25519": OKPAlgorithm, "EC": ECAlgorithm, "RSA": RSAAlgorithm}
    algorithm = next(a for name, a in names.items() if type(key).__name__.startswith(name))
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **members}


class KeyServer:
    """Counts what it is asked. `answer` may be replaced by a test."""

    def __init__(self) -> None:
        self.asked: list[str] = []  # the paths
        self.keys: list[Any] = []
        self.answer: Answer = self._publish
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                with suppress(ConnectionError):  # clients may give up
                    outer.answer(self)

            def log_message(self, *_: object) -> None:
                """Nothing is written."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.origin}/jwks"

    def _publish(self, request: BaseHTTPRequestHandler) -> None:
        self.say(request, json.dumps({"keys": self.keys}).encode())

    def say(
        self,
        request: BaseHTTPRequestHandler,
        body: bytes,
        *,
        status: int = 200,
        **headers: str,
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    @contextmanager
    def running(self) -> Iterator["KeyServer"]:
        thread = Thread(target=self._server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
