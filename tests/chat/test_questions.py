"""200 questions as people ask them: the subject is recognised."""

import json
from pathlib import Path

from src.anatomy.catalogue import CATALOGUE
from src.assistant.understanding import understood

QUESTIONS = json.loads(Path(__file__).with_name("questions.json").read_text(encoding="utf-8"))
LEAST_RIGHT = 0.95


def test_the_questions_are_200_about_all_systems() -> None:
    known = {slug: part.system for slug, part in CATALOGUE.parts_by_slug.items()}
    known |= {system.slug: system.slug for system in CATALOGUE.systems}

    assert len({question["question"] for question in QUESTIONS}) == 200
    assert {known[question["subject"]] for question in QUESTIONS} == set(CATALOGUE.systems_by_slug)


def test_the_right_part_or_system_comes_first() -> None:
    misses = []
    for question in QUESTIONS:
        found = [subject.slug for subject in understood(question["question"], []).subjects]
        if found[:1] != [question["subject"]]:
            misses.append(f"{question['question']!r}: {question['subject']}, found {found}")

    print(*misses, sep="\n")  # noqa: T201 - shown with pytest -rP, and when too many are missed
    assert len(misses) <= (1 - LEAST_RIGHT) * len(QUESTIONS)
