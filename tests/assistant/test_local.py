"""The local responder: explains, never diagnoses, and knows an emergency when it hears one."""

import re
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.anatomy.catalogue import CATALOGUE, Part, System
from src.assistant.local import ABILITIES, EMERGENCY, NO_DIAGNOSIS, LocalResponder
from src.chat.responder import Responder

ENTRIES: tuple[System | Part, ...] = (*CATALOGUE.systems, *CATALOGUE.parts)
NAMES: list[tuple[str, System | Part]] = [
    *((name, entry) for entry in ENTRIES for name in (entry.name, *entry.everyday_names)),
    *((part.latin_name, part) for part in CATALOGUE.parts),
]


async def ask(question: str) -> str:
    responder: Responder = LocalResponder()
    pieces = responder(user_id=uuid4(), question=question, history=[])
    return "".join([piece async for piece in pieces])


def _title(reply: str) -> str:
    """The name of what a reply explains first."""
    return re.split(r" \(Latin|\. ", reply, maxsplit=1)[0]


async def test_every_part_and_system_is_known_by_each_of_its_names() -> None:
    for name, entry in NAMES:
        for question in (f"What does the {name} do?", f"TELL ME ABOUT MY {name.upper()}!", name):
            assert _title(await ask(question)) == entry.name


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("my lungs", "Lung"),
        ("both ovaries", "Ovary"),
        ("the kidney's work", "Kidney"),
        ("what are muscles", "Muscular system"),
    ],
)
async def test_plurals_and_possessives_are_understood(question: str, title: str) -> None:
    assert _title(await ask(question)) == title


async def test_a_part_is_named_in_latin_and_described() -> None:
    reply = await ask("Where is my collarbone?")
    assert "clavicula" in reply
    assert "shoulder blade" in reply


async def test_the_longest_name_wins() -> None:
    reply = await ask("What is a lymph node?")
    assert reply.startswith("Lymph node")
    assert "Lymphatic system" not in reply


async def test_a_name_inside_of_another_word_is_none() -> None:
    assert await ask("Is coral a heartless renegade?") == ABILITIES


async def test_several_parts_are_explained_in_the_order_of_the_question() -> None:
    reply = await ask("How do the kidneys, the liver and, again, the kidneys differ?")
    assert reply.index("Kidney") < reply.index("Liver")
    assert reply.count("Kidney (") == 1


@pytest.mark.parametrize("question", ["hello", "?", " ", "What is the capital of France?"])
async def test_anything_else_is_answered_with_what_can_be_asked(question: str) -> None:
    assert await ask(question) == ABILITIES


@pytest.mark.parametrize(
    "question",
    [
        "I can't breathe",
        "I CAN’T BREATHE!",
        "my chest hurts",
        "sharp pain in the chest, near the heart",
        "is this a heart attack",
        "she is not breathing",
        "the bleeding won't stop",
        "I want to die",
        "I'm going to kill myself",
        "He took an overdose",
        "My father had a stroke just now, his face is drooping",
    ],
)
async def test_words_of_an_emergency_are_answered_with_the_emergency_number_first(
    question: str,
) -> None:
    reply = await ask(question)
    assert reply.startswith(EMERGENCY)
    assert "local emergency number" in EMERGENCY
    assert NO_DIAGNOSIS in reply
    assert ABILITIES not in reply


@pytest.mark.parametrize(
    "question",
    ["my tummy hurts", "Why is my liver swollen?", "Do I have cancer of the skin?"],
)
async def test_a_complaint_is_never_diagnosed(question: str) -> None:
    reply = await ask(question)
    assert reply.endswith(NO_DIAGNOSIS)
    assert EMERGENCY not in reply


async def test_an_ordinary_question_gets_no_warnings() -> None:
    reply = await ask("I'll learn what the spleen does, and how we breathe")
    assert NO_DIAGNOSIS not in reply
    assert EMERGENCY not in reply


@given(st.text(min_size=1, max_size=200))
@example("heart " * 1_333)
@example("\u0130 ß ﬁ ½")
async def test_whatever_is_asked_the_reply_fits_a_message(question: str) -> None:
    assert 1 <= len(await ask(question)) <= 8_000
