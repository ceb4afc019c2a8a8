"""Another service, which knows nothing of Latchkey but the secret that both have.

`serve` answers GET with the customer that a bearer token speaks for. `call URL` signs a token of
its own, notes something there and reads it back. PyJWT and the standard library do it all.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.request import Request, urlopen

import jwt

SECRET = os.environ["SHARED_SECRET"]
REQUIRED = ["iss", "iat", "exp", "jti", "customer_id"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(
                token,
                SECRET,
                algorithms=["HS256"],
                issuer="latchkey",
                options={"require": REQUIRED},
            )
        except jwt.InvalidTokenError:
            self.send_response(401)
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"customer_id": claims["customer_id"]}).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing: standard output has the port alone."""


def serve() -> None:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    say(server.server_port)
    server.serve_forever()


def call(url: str) -> None:
    now = int(time.time())
    claims = {"customer_id": 42, "iat": now, "exp": now + 3600}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    post(f"{url}/v2/context/memories", token, user_id="+15550100", text="likes tea")
    say(post(f"{url}/v2/context/enriched", token, user_id="+15550100"))


def say(document: Any) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def post(url: str, token: str, **body: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - http:// by its caller
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


if __name__ == "__main__":
    serve() if sys.argv[1] == "serve" else call(sys.argv[2])
