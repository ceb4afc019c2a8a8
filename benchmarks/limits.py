"""What no server of this kind can be faster than: a bare ASGI application, a plain route."""

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

BODY = b'{"message":"Hello World"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]

plain = FastAPI()


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """The same answer without a framework."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


@plain.get("/", response_model=None)
async def read_root() -> dict[str, str]:
    return {"message": "Hello World"}


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
