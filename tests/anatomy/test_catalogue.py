"""The catalogue is consistent in itself."""

from collections import Counter

from src.anatomy.catalogue import CATALOGUE
from src.anatomy.models import AnatomyRecord


def test_there_are_eleven_systems_with_at_least_four_parts_each() -> None:
    parts = Counter(part.system for part in CATALOGUE.parts)
    assert len(CATALOGUE.systems) == 11
    assert parts.keys() == {system.slug for system in CATALOGUE.systems}
    assert min(parts.values()) >= 4


def test_no_two_entries_share_a_slug_or_a_name() -> None:
    slugs = [s.slug for s in CATALOGUE.systems] + [p.slug for p in CATALOGUE.parts]
    assert len(slugs) == len(set(slugs))
    names = Counter(
        name.casefold()
        for part in CATALOGUE.parts
        for name in {part.name.casefold(), part.latin_name, *part.everyday_names}
    )
    names.update(name for s in CATALOGUE.systems for name in (s.name.casefold(), *s.everyday_names))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_slug_fits_its_column_and_an_address() -> None:
    longest = AnatomyRecord.__table__.c.part.type.length  # type: ignore[attr-defined]
    for part in CATALOGUE.parts:
        assert len(part.slug) <= longest
        assert part.slug.replace("-", "").isalpha()
        assert part.slug == part.slug.lower()


def test_every_entry_is_explained_in_one_sentence() -> None:
    texts = [s.summary for s in CATALOGUE.systems] + [p.description for p in CATALOGUE.parts]
    for text in texts:
        assert text[0].isupper()
        assert text.endswith(".")
        assert text.count(".") == 1
