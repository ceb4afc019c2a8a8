"""Cursors: opaque, and never a failure of ours."""

from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from src.core.cursors import decode_cursor, encode_cursor


@given(st.uuids())
def test_a_cursor_leads_back_to_its_id(last_id: UUID) -> None:
    assert decode_cursor(encode_cursor(last_id)) == last_id


@given(st.text() | st.text("AB_-=+/", min_size=20, max_size=26))
@example("\ud800")
@example("A" * 21 + "B")
def test_any_other_text_is_refused_with_a_value_error(text: str) -> None:
    try:
        last_id = decode_cursor(text)
    except ValueError:
        return
    assert encode_cursor(last_id) == text
