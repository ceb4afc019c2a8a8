"""A real HTTP server that speaks the chat-completions protocol, and breaks it on demand."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

START_SECONDS = 30.0
HANG = "hang"  # says nothing more and keeps the connection open
KEEP_ALIVE = "keep alive"  # the same, but with comments
PAUSE = "pause"  # is silent for PAUSE_SECONDS
PAUSE_SECONDS = 2.0
DRIBBLE = "dribble"  # never ends
CUT = "cut"  # closes the connection in the middle of the stream

Step = str | dict[str, Any]


def text(content: str | None, *, finished: bool = False) -> dict[str, Any]:
    """A chunk of the protocol with some of the reply."""
    choice = {
        "index": 0,
        "delta": {"content": content},
        "finish_reason": "stop" if finished else None,
    }
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [choice],
    }


END = text(None, finished=True)
_ENDLESS = {
    HANG: "",
    KEEP_ALIVE: ": working\n\n",
    DRIBBLE: f"data: {json.dumps(text('x'))}\n\n",
}


class ModelServer:
    """`status` and `steps` say how to answer: chunks, raw data of events, or what goes wrong."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.authorization: list[str | None] = []
        self.status = 200
        self.steps: list[Step] = [text("Hello"), END]
        self.let_go = threading.Event()
        self.app = Starlette(routes=[Route("/v1/chat/completions", self._answer, methods=["POST"])])
        self.url = ""

    def answers(self, *steps: Step, status: int = 200) -> None:
        self.asked.clear()
        self.authorization.clear()
        self.let_go.clear()
        self.steps, self.status = list(steps), status

    async def _answer(self, request: Request) -> Response:
        self.asked.append(await request.json())
        self.authorization.append(request.headers.get("authorization"))
        if 300 <= self.status < 400:
            return RedirectResponse(f"{self.url}/chat/completions", self.status)
        if self.status != 200:
            error = {"message": "wrong key sk-secret", "type": "e", "code": "c"}
            return JSONResponse({"error": error}, self.status)
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        try:
            for step in self.steps:
                while isinstance(step, str) and step in _ENDLESS:
                    await asyncio.sleep(0.02)
                    yield _ENDLESS[step]
                if step == PAUSE:
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                if step == CUT:
                    raise ConnectionAbortedError
                yield f"data: {json.dumps(step) if isinstance(step, dict) else step}\n\n"
            yield "data: [DONE]\n\n"
        finally:
            self.let_go.set()


@contextmanager
def running_model_server() -> Iterator[ModelServer]:
    model = ModelServer()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        model.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        server = uvicorn.Server(
            uvicorn.Config(model.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1),
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            yield model
        finally:
            server.force_exit = server.should_exit = True
            thread.join(START_SECONDS)
