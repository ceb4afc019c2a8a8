"""The responders where they are used: plugged into the chat of the whole application."""

from collections.abc import Iterator

import httpx
import pytest

from src.app import create_app
from src.core.settings import Settings
from tests.assistant.model_server import END, HANG, ModelServer, running_model_server, text
from tests.conftest import running
from tests.factories import problem, sign_up


@pytest.fixture(scope="module")
def model_server() -> Iterator[ModelServer]:
    with running_model_server() as server:
        yield server


async def test_in_chat_a_reply_is_stored_and_a_failure_is_a_problem(
    settings: Settings, client: httpx.AsyncClient, model_server: ModelServer
) -> None:
    person = await sign_up(client)
    configured = {"ASSISTANT_BASE_URL": model_server.url, "ASSISTANT_MODEL": "a-model"}
    app = create_app(settings.model_copy(update=configured))

    async with running(app) as asking:
        asking.headers.update(person.authorization)
        model_server.answers(text("It filters "), text("blood."), END)
        answered = await asking.post("/chat/message", json={"message": "What does it do?"})
        model_server.answers(*[text("x" * 999)] * 9, HANG)
        endless = await asking.post("/chat/message", json={"message": "Say more"})
        model_server.answers(status=500)
        failed = await asking.post("/chat/message", json={"message": "And now?"})

    assert answered.json()["reply"]["content"] == "It filters blood."
    reply = endless.json()["reply"]
    assert (len(reply["content"]), reply["cut"]) == (8_000, True)
    assert (failed.status_code, problem(failed)) == (503, "assistant-unavailable")


async def test_in_chat_the_local_responder_knows_the_persons_records(
    client: httpx.AsyncClient,
) -> None:
    person = await sign_up(client)
    client.headers.update(person.authorization)
    try:
        record = {"part": "patella", "kind": "note", "note": "my lucky knee"}
        assert (await client.post("/anatomy/records", json=record)).status_code == 201
        answer = await client.post("/chat/message", json={"message": "What is a kneecap?"})
    finally:
        del client.headers["Authorization"]

    assert "my lucky knee" in answer.json()["reply"]["content"]
