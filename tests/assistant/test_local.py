"""The local responder: it answers what was asked, never diagnoses, and keeps the thread."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from src.anatomy.catalogue import CATALOGUE
from src.anatomy.noted import Noted
from src.anatomy.search import Subject, names_of
from src.assistant.local import ABILITIES, NO_DIAGNOSIS, NO_RECORDS, WELCOME, LocalResponder
from src.assistant.understanding import understood
from src.chat.errors import AssistantUnavailable
from tests.assistant.conversing import Notebook, converse, pieces, record

PATELLA = CATALOGUE.parts_by_slug["patella"]


def test_every_part_and_system_is_known_by_each_of_its_names() -> None:
    subjects: list[Subject] = [*CATALOGUE.systems, *CATALOGUE.parts]
    for subject in subjects:
        for name in names_of(subject):
            assert understood(f"What does the {name} do?", []).subjects[:1] == (subject,), name


@pytest.mark.parametrize(
    ("question", "said", "unsaid"),
    [
        ("Where is the patella?", "in the region of the knee, on the left and on", "protects"),
        ("What does the kneecap do?", "The patella protects the knee joint", "Next to"),
        ("What is next to the kneecap?", "Next to the patella you find the femur", "protects"),
        ("What is the patella called in Latin?", "kneecap", "protects"),
        ("Which system does the patella belong to?", "belongs to the skeletal system", "Next to"),
        ("How do the patella and the femur relate?", "are neighbours", "protects"),
        ("Are the liver and the patella connected?", "no direct neighbours", "protects"),
        ("Is the patella part of the urinary system?", "Not to the urinary system", "protects"),
        ("Is the patella part of the skeletal system?", "Yes.", "protects"),
        ("Which parts belong to the urinary system?", "ureter", "clean"),
        ("What is in the knee?", "patella", "protects"),
        ("Tell me about my hand", "In the hand I know these parts: ", "spleen"),
        ("Which muscles are in the thigh?", "quadriceps femoris", "femoral artery"),
        ("What do the liver and the spleen do?", "The spleen", "Next to"),
    ],
)
async def test_what_is_asked_is_answered_and_no_more(question: str, said: str, unsaid: str) -> None:
    reply = await converse(question)

    assert said in reply
    assert unsaid not in reply


async def test_who_asks_for_nothing_in_particular_hears_what_where_and_what_for() -> None:
    reply = await converse("patela")

    assert reply.startswith("Patella (also called kneecap")
    assert "Latin: patella" in reply
    assert "protects the knee joint" in reply
    assert "skeletal system" in reply


@pytest.mark.parametrize(
    ("questions", "said"),
    [
        (["What is the patella?", "and on the left side?"], "so on either side"),
        (["What is the liver?", "and on the left side?"], "There is only one"),
        (["Where is my kneecap?", "what does it do?"], "The patella protects"),
        (["Where is my kneecap?", "thanks", "what is next to it?"], "Next to the patella"),
        (["Where is my kneecap?", "what does it do?", "and the spleen?"], "The spleen"),
        (["Where is my kneecap?", "which muscles are next to it?"], "quadriceps femoris"),
        (["Where is my kneecap?", "does it touch the femur?"], "are neighbours"),
        (["Where is my kneecap?", "what does the spleen do?"], "The spleen"),
        (["Where is my kneecap?", "what about the other side?"], "so on either side"),
        (["Are liver and lung connected?", "which system are they part of?"], "respiratory"),
        (["Where is my kneecap?", "what can you do?"], ABILITIES),
    ],
)
async def test_the_thread_is_kept(questions: list[str], said: str) -> None:
    assert said in await converse(*questions)


async def test_a_new_subject_ends_the_thread() -> None:
    reply = await converse("Where is my kneecap?", "What does the spleen do?", "Where is it?")

    assert "the spleen" in reply
    assert "patella" not in reply


@pytest.mark.parametrize(
    "question",
    ["my tummy hurts", "Why is the liver swollen?", "Do I have cancer of the skin?"],
)
async def test_a_complaint_is_never_diagnosed(question: str) -> None:
    first, explanation, *_ = (await converse(question)).split("\n\n")

    assert first.endswith(NO_DIAGNOSIS)
    assert any(name in explanation for name in ("Stomach", "The liver", "Skin"))


async def test_an_ordinary_question_gets_no_warnings() -> None:
    assert NO_DIAGNOSIS not in await converse("How many kidneys do I have, and what do they do?")


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("?", ABILITIES),
        ("What is the capital of France?", ABILITIES),
        ("Is coral a heartless renegade?", ABILITIES),
        ("hello", f"Hello! {ABILITIES}"),
        ("Thank you!", WELCOME),
    ],
)
async def test_anything_else_is_answered_with_what_can_be_asked(question: str, reply: str) -> None:
    assert await converse(question) == reply


async def test_the_persons_own_records_on_the_part_are_mentioned() -> None:
    notebook = Notebook(
        record("patella", side="right", severity=4, note="clicks on the stairs."),
        record("spleen", kind="injury"),
    )

    reply = await converse("What does the kneecap do?", notebook=notebook)

    assert reply.endswith(
        "On 3 May 2026 you noted a symptom of the right patella (severity 4 of 10): "
        "“clicks on the stairs”.",
    )
    assert "injury" not in reply


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("What did I note about my spleen?", ["spleen"]),
        ("Show me my records on the knee", ["patella"]),
        ("Show me my records", ["patella", "spleen"]),
    ],
)
async def test_records_are_read_out_when_asked_for(question: str, parts: list[str]) -> None:
    notebook = Notebook(record("patella"), record("spleen"))

    reply = await converse(question, notebook=notebook)

    assert [part for part in ("patella", "spleen") if part in reply] == parts
    assert await converse(question) == NO_RECORDS


async def test_records_that_cannot_be_read_are_an_assistant_that_is_unavailable() -> None:
    async def no_database(*_: object, **__: object) -> list[Noted]:
        raise PoolTimeoutError

    with pytest.raises(AssistantUnavailable):
        await pieces(LocalResponder(no_database), "What does the spleen do?")


async def test_a_reply_comes_sentence_by_sentence() -> None:
    assert len(await pieces(LocalResponder(Notebook()), "Tell me about the liver")) > 3


@settings(deadline=None)
@given(st.text(min_size=1, max_size=200))
@example("heart " * 1_333)
@example("chest cannot a bleed " * 400)
@example("\u0130 ß ﬁ ½ \ud800")
async def test_whatever_is_asked_the_reply_fits_a_message(question: str) -> None:
    assert 1 <= len(await converse("Where is the liver?", question)) <= 8_000
