"""The responder that asks a model elsewhere, against a server that speaks its protocol."""

import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from src.assistant.emergencies import EMERGENCY
from src.assistant.local import WELCOME
from src.assistant.openai_compatible import Endpoint, OpenAICompatibleResponder, Patience
from src.assistant.plug import responding
from src.assistant.prompt import MOST_HISTORY_CHARACTERS, MOST_TURNS
from src.chat.errors import AssistantUnavailable
from src.chat.responder import Responder, Turn
from tests.assistant.conversing import PERSON, Notebook, pieces, record
from tests.assistant.model_server import (
    CUT,
    DRIBBLE,
    END,
    HANG,
    KEEP_ALIVE,
    PAUSE,
    ModelServer,
    Step,
    running_model_server,
    text,
)
from tests.conftest import make_settings
from tests.servers import free_port

KEY = "sk-secret-of-the-operator"
# Nobody waits for these but who expects it: the machine may be busy with something else.
PATIENT = Patience(connect=20.0, silence=20.0, total=60.0)
NO_SILENCE = replace(PATIENT, silence=0.5)
NO_END = replace(PATIENT, total=1.0)


@pytest.fixture(scope="module")
def model_server() -> Iterator[ModelServer]:
    with running_model_server() as server:
        yield server


@pytest.fixture
async def responder(model_server: ModelServer) -> AsyncIterator[OpenAICompatibleResponder]:
    model_server.answers(text("The spleen "), text("filters blood."), END)
    endpoint = Endpoint(model_server.url, KEY, "a-model")
    made = OpenAICompatibleResponder(endpoint, records_of=None, patience=PATIENT)
    yield made
    await made.aclose()


async def hear(responder: Responder, heard: list[str]) -> None:
    """Append the pieces of a reply one by one, so that they are there if it fails."""
    async for piece in responder(user_id=PERSON, question="Why?", history=[]):
        heard.append(piece)  # noqa: PERF401


async def test_the_reply_comes_in_the_models_pieces(
    responder: OpenAICompatibleResponder, model_server: ModelServer
) -> None:
    assert await pieces(responder, "What does it do?") == ["The spleen ", "filters blood."]

    (asked,) = model_server.asked
    assert asked["model"] == "a-model"
    assert asked["stream"] is True
    assert model_server.authorization == [f"Bearer {KEY}"]


async def test_the_model_is_told_the_rules_the_latest_turns_and_the_question(
    responder: OpenAICompatibleResponder, model_server: ModelServer
) -> None:
    history = [Turn("user", "Where is the spleen?"), Turn("assistant", "On the left.")]

    await pieces(responder, "What does it do?", history=history)

    rules, *rest = model_server.asked[0]["messages"]
    assert rules["role"] == "system"
    for rule in ("Never diagnose", "local emergency number", "anatomy"):
        assert rule in rules["content"]
    assert rest == [
        {"role": "user", "content": "Where is the spleen?"},
        {"role": "assistant", "content": "On the left."},
        {"role": "user", "content": "What does it do?"},
    ]


@pytest.mark.parametrize(
    ("history", "most"),
    [
        ([Turn("user", "short")] * 100, MOST_TURNS),
        ([Turn("user", "x" * 8_000)] * 100, MOST_HISTORY_CHARACTERS // 8_000),
    ],
)
async def test_the_history_is_bounded(
    responder: OpenAICompatibleResponder,
    model_server: ModelServer,
    history: list[Turn],
    most: int,
) -> None:
    await pieces(responder, "What does it do?", history=history)

    assert len(model_server.asked[0]["messages"]) == most + 2


@pytest.mark.parametrize("shared", [True, False])
async def test_records_are_sent_only_when_the_operator_shares_them(
    model_server: ModelServer, *, shared: bool
) -> None:
    settings = make_settings(
        ASSISTANT_BASE_URL=model_server.url,
        ASSISTANT_MODEL="a-model",
        ASSISTANT_SHARE_RECORDS=shared,
    )
    model_server.answers(text("Hello"), END)

    async with responding(settings, Notebook(record("spleen", note="hurts on Mondays"))) as made:
        await pieces(made, "What does the spleen do?")

    assert ("hurts on Mondays" in json.dumps(model_server.asked)) is shared


async def test_without_a_key_none_of_the_environment_is_sent(
    model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-somebody-else")
    model_server.answers(text("Hello"), END)
    settings = make_settings(ASSISTANT_BASE_URL=model_server.url, ASSISTANT_MODEL="a-model")

    async with responding(settings, Notebook()) as made:
        await pieces(made, "What does the spleen do?")

    assert model_server.authorization == ["Bearer none"]


async def test_an_emergency_hears_our_own_sentence_before_the_models_words(
    responder: OpenAICompatibleResponder,
) -> None:
    first, *rest = await pieces(responder, "I can't breathe")

    assert first.startswith(EMERGENCY)
    assert rest == ["The spleen ", "filters blood."]


async def test_what_no_database_takes_is_left_out(
    responder: OpenAICompatibleResponder, model_server: ModelServer
) -> None:
    model_server.answers(text("a\x00b\ud800c"), END)

    assert await pieces(responder, "What is it?") == ["abc"]


async def test_chunks_without_text_are_passed_over(
    responder: OpenAICompatibleResponder, model_server: ModelServer
) -> None:
    statistics = {**text(""), "choices": []}
    model_server.answers(statistics, text(None), text("Hello"), END, statistics)

    assert await pieces(responder, "What is it?") == ["Hello"]


@pytest.mark.parametrize(
    ("steps", "status", "said", "cause"),
    [
        ([], 401, [], "the endpoint answered 401"),
        ([], 429, [], "the endpoint answered 429"),
        ([], 500, [], "the endpoint answered 500"),
        ([], 307, [], "the endpoint answered 307"),
        ([END], 200, [], "the reply is empty"),
        ([text(" \n"), END], 200, [" \n"], "the reply is empty"),
        ([HANG], 200, [], "the endpoint is silent"),
        ([text("One"), HANG], 200, ["One"], "the endpoint is silent"),
        ([text("One"), PAUSE, text("Two"), END], 200, ["One"], "the endpoint is silent"),
        ([text("One"), KEEP_ALIVE], 200, ["One"], "the endpoint is silent"),
        ([text("One"), CUT], 200, ["One"], "APIConnectionError"),
        ([text("One")], 200, ["One"], "the stream ended early"),
        ([text("One"), "{"], 200, ["One"], "JSONDecodeError"),
        ([text("One"), "[" * 100_000], 200, ["One"], "RecursionError"),
        ([text("One"), "[]"], 200, ["One"], "a chunk is malformed"),
        ([text("One"), "7"], 200, ["One"], "a chunk is malformed"),
        ([text("One"), {"choices": [{"delta": 7}]}], 200, ["One"], "a chunk is malformed"),
        ([text("One"), {"choices": [{"delta": {"content": [7]}}]}], 200, ["One"], "malformed"),
        ([text("One"), {"error": {"message": "sk-secret"}}], 200, ["One"], "APIError"),
    ],
)
async def test_every_failure_is_the_problem_assistant_unavailable(
    responder: OpenAICompatibleResponder,
    model_server: ModelServer,
    caplog: pytest.LogCaptureFixture,
    *,
    steps: list[Step],
    status: int,
    said: list[str],
    cause: str,
) -> None:
    model_server.answers(*steps, status=status)
    if cause == "the endpoint is silent":
        responder._patience = NO_SILENCE
    heard: list[str] = []

    with caplog.at_level(logging.WARNING), pytest.raises(AssistantUnavailable) as failure:
        await hear(responder, heard)

    assert heard == said
    (event,) = [entry for entry in caplog.records if entry.message == "assistant-failed"]
    fields: dict[str, Any] = event.fields  # type: ignore[attr-defined]
    assert cause in fields["cause"]
    assert cause in (failure.value.cause or "")
    assert failure.value.__cause__ is None  # whose text would be in the log as well
    assert "sk-secret" not in f"{fields}{failure.value}{failure.value.cause}"
    assert len(model_server.asked) == 1


async def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    nowhere = Endpoint(f"http://127.0.0.1:{free_port()}/v1", KEY, "a-model")
    responder = OpenAICompatibleResponder(nowhere, records_of=None, patience=PATIENT)

    with pytest.raises(AssistantUnavailable):
        await pieces(responder, "What is it?")

    await responder.aclose()


async def test_a_model_that_never_ends_is_cut_off_at_the_deadline(
    responder: OpenAICompatibleResponder, model_server: ModelServer
) -> None:
    model_server.answers(DRIBBLE)
    responder._patience = NO_END
    heard: list[str] = []

    with pytest.raises(AssistantUnavailable) as failure:
        await hear(responder, heard)

    assert failure.value.cause == "the reply took too long"
    assert set(heard) == {"x"}


async def test_the_connection_is_let_go_when_nobody_reads_on(
    responder: OpenAICompatibleResponder, model_server: ModelServer
) -> None:
    model_server.answers(text("One"), KEEP_ALIVE)
    reply = responder(user_id=PERSON, question="Why?", history=[])

    assert await anext(reply) == "One"
    await reply.aclose()

    assert model_server.let_go.wait(20)


async def test_by_default_the_local_responder_answers() -> None:
    async with responding(make_settings(), Notebook()) as made:
        assert "".join(await pieces(made, "Thanks!")) == WELCOME


@pytest.mark.faults  # starts a Python of its own
def test_the_client_library_is_imported_only_where_it_is_needed() -> None:
    program = "import sys; import src.assistant.plug; sys.exit('openai' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
