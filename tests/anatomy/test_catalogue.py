"""The catalogue is whole and consistent in itself; whether it is true, its sources tell."""

import re
from collections import Counter
from importlib.resources import files
from typing import get_args

from src.anatomy.catalogue import CATALOGUE, Region, SystemSlug
from src.anatomy.models import AnatomyRecord
from src.anatomy.search import Subject, names_of, words

PARTS = CATALOGUE.parts_by_slug
SUBJECTS: tuple[Subject, ...] = (*CATALOGUE.systems, *CATALOGUE.parts)


def test_there_are_eleven_systems_in_order_and_a_file_for_each() -> None:
    slugs = [system.slug for system in CATALOGUE.systems]
    assert len(slugs) == 11
    assert tuple(slugs) == get_args(SystemSlug)
    names = {file.name for file in files("src.anatomy").joinpath("data").iterdir()}
    assert names == {f"{slug}.json" for slug in slugs}


def test_there_are_at_least_150_parts_of_all_systems_and_regions() -> None:
    assert len(CATALOGUE.parts) >= 150
    assert min(Counter(part.system for part in CATALOGUE.parts).values()) >= 5
    regions = Counter(part.region for part in CATALOGUE.parts)
    assert regions.keys() == set(get_args(Region))
    assert regions["whole-body"] <= 20, "a place is more useful"


def test_no_two_subjects_share_a_slug() -> None:
    slugs = [subject.slug for subject in SUBJECTS]
    assert [slug for slug, count in Counter(slugs).items() if count > 1] == []


def test_no_two_subjects_share_a_name_in_any_spelling() -> None:
    names = [
        name for subject in SUBJECTS for name in {"".join(words(n)) for n in names_of(subject)}
    ]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_every_slug_fits_its_column() -> None:
    longest = AnatomyRecord.__table__.c.part.type.length  # type: ignore[attr-defined]
    assert max(map(len, PARTS)) <= longest


def test_a_part_has_two_to_six_neighbours() -> None:
    counts = {part.slug: len(set(part.neighbours) - {part.slug}) for part in CATALOGUE.parts}
    assert {slug: count for slug, count in counts.items() if not 2 <= count <= 6} == {}
    assert counts == {part.slug: len(part.neighbours) for part in CATALOGUE.parts}


def test_a_neighbour_is_a_part_that_has_it_as_a_neighbour_too() -> None:
    pairs = {(part.slug, neighbour) for part in CATALOGUE.parts for neighbour in part.neighbours}
    assert {pair for pair in pairs if pair[1] not in PARTS} == set()
    assert {(one, other) for one, other in pairs if (other, one) not in pairs} == set()


def test_no_two_parts_are_the_same_class_of_uberon() -> None:
    ids = [part.uberon_id for part in CATALOGUE.parts if part.uberon_id]
    assert [uberon_id for uberon_id, count in Counter(ids).items() if count > 1] == []
    assert len(ids) >= 0.9 * len(CATALOGUE.parts)


def test_every_text_is_of_whole_sentences_and_says_something_of_its_own() -> None:
    texts = [system.summary for system in CATALOGUE.systems]
    texts += [text for part in CATALOGUE.parts for text in (part.description, part.function)]
    for text in texts:
        assert re.fullmatch(r"[A-Z].*[.]", text), text
        assert "  " not in text, text
        assert 1 <= len(re.findall(r"[.](?: |$)", text)) <= 4, text
    assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_latin_names_are_in_lower_case_and_english_ones_begin_with_a_capital() -> None:
    for part in CATALOGUE.parts:
        assert part.name[0].isupper(), part.slug
        assert part.latin_name[0].islower(), part.slug
