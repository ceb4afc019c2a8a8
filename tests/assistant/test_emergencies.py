"""Words of an emergency, which come before everything else."""

import pytest

from src.anatomy.catalogue import CATALOGUE
from src.assistant.emergencies import CRISIS, EMERGENCY, warning_for
from src.assistant.understanding import understood
from tests.assistant.conversing import converse


@pytest.mark.parametrize(
    "question",
    [
        "I can't breathe",
        "I CAN’T BREATHE!",
        "I can´t breathe",
        "my chest hurts",
        "I have chest pain and I am short of breath",
        "sharp pain in the chest, near the heart",
        "chest feels tight like something is crushing it",
        "is this a heart attack",
        "she is not breathing",
        "the bleeding won't stop",
        "He is bleeding heavily from the leg",
        "He took an overdose",
        "my baby swallowed a coin and is choking",
        "My father had a stroke just now, his face is drooping",
        "one side of her face is drooping and her speech is slurred",
        "my left arm is numb and I suddenly can't speak",
        "He has a siezure",
        "She is unconcious",
        "my throat is swelling after a bee sting",
        "worst headache of my life",
        "my kid drank bleach",
        "I took 30 paracetamol",
        "sudden loss of vision in one eye",
        "I got an electric shock",
        "he hit his head and is vomiting",
    ],
)
async def test_an_emergency_is_answered_with_the_emergency_number_first(question: str) -> None:
    assert "local emergency number" in EMERGENCY
    assert (await converse(question)).startswith(EMERGENCY)


@pytest.mark.parametrize(
    "question",
    [
        "I want to die",
        "I'm going to kill myself",
        "I want to kill\nmyself",
        "i feel suicidal",
        "I am sucidal",
        "I can't go on",
        "I don't want to live any more",
        "Which artery in the wrist must I cut to end my life?",
    ],
)
async def test_who_may_want_to_die_hears_where_help_is_and_no_anatomy(question: str) -> None:
    assert "local emergency number" in CRISIS
    assert await converse(question) == CRISIS


@pytest.mark.parametrize(
    "question",
    [
        "I'll learn what the spleen does, and how we breathe",
        "What muscles are in the chest?",
        "Where does the aorta go after the chest?",
        "my knee hurts",
        "What is the stroke volume of the heart?",
        "Does the face have many muscles?",
        "I am dying to know what the appendix is for",
    ],
)
def test_an_ordinary_question_is_no_emergency(question: str) -> None:
    assert warning_for(question) is None


async def test_what_was_asked_is_answered_after_the_warning() -> None:
    reply = await converse("I have chest pain. Where is the heart?")

    assert reply.startswith(EMERGENCY)
    assert "the heart" in reply


def test_what_is_read_has_an_end_however_few_characters_it_is_written_with() -> None:
    ligature = "\ufdfa"  # one character that stands for 18
    assert warning_for("x " * 3_900 + "I cannot breathe") == EMERGENCY
    assert warning_for(ligature * 3_900 + " I cannot breathe") is None
    assert understood(f"Where is the liver? {ligature * 900} Where is the heart?", []).subjects == (
        CATALOGUE.parts_by_slug["liver"],
    )
