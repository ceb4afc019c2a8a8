"""Names are found as people write them."""

import pytest

from src.anatomy.catalogue import CATALOGUE
from src.anatomy.search import NAMES, Names, Subject, names_of, words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("The Kidneys", ("the", "kidney")),
        ("kidney's kidney’s", ("kidney", "kidney")),
        ("arteries", ("artery",)),
        ("vertebrae", ("vertebra",)),
        ("Oesophagus", ("esophagu",)),
        ("toes feet", ("toe", "foot")),
        ("ﬁbula, cœur", ("fibula", "cœur")),
        ("pénis-x_1", ("peni", "x", "1")),
        ("s gas", ("s", "gas")),
        ("", ()),
        ("\x00 ?", ()),
    ],
)
def test_words_have_one_spelling(text: str, folded: tuple[str, ...]) -> None:
    assert words(text) == folded


def test_every_name_leads_to_its_subject() -> None:
    subjects: tuple[Subject, ...] = (*CATALOGUE.systems, *CATALOGUE.parts)
    for subject in subjects:
        best = NAMES.find(subject.name)[0]
        assert (best.subject, best.score) == (subject, 100), subject.name
        for name in names_of(subject):
            assert NAMES.named(words(name.upper())) is subject, name


@pytest.mark.parametrize(
    ("phrase", "best"),
    [
        ("stomache", "stomach"),
        ("diafragm", "diaphragm"),
        ("clavical", "clavicle"),
        ("kidnees", "kidney"),
        ("tonsles", "palatine-tonsil"),  # as near to the tongue, but it begins otherwise
        ("thy roid", "thyroid-gland"),
        ("my left kidney", "kidney"),
        ("artery of the neck", "common-carotid-artery"),
        ("carotids", "common-carotid-artery"),
        ("urinary bl", "urinary-bladder"),
        ("appendages and bladder", "urinary-bladder"),
    ],
)
def test_a_phrase_finds_what_it_means(phrase: str, best: str) -> None:
    assert NAMES.find(phrase)[0].subject.slug == best


@pytest.mark.parametrize("phrase", ["", " ", "?", "zzzz", "x" * 5_000, "zzzz " * 5_000])
def test_a_phrase_without_a_meaning_finds_nothing(phrase: str) -> None:
    assert NAMES.find(phrase) == []
    assert NAMES.misspelt(words(phrase)) == []
    assert NAMES.named(words(phrase)) is None


def test_matches_come_best_first_and_once_each() -> None:
    found = NAMES.find("muscle of the thigh")
    scores = [match.score for match in found]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0
    subjects = [match.subject.slug for match in found]
    assert len(subjects) == len(set(subjects))


def test_short_words_have_to_be_right() -> None:
    hip = CATALOGUE.parts_by_slug["femur"].model_copy(update={"everyday_names": ("hip",)})
    names = Names([hip])
    assert names.misspelt(("hop",)) == []
    assert [match.name for match in names.misspelt(("femru",))] == ["Femur"]
