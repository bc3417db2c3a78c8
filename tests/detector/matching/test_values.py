"""Tests of single values."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detector.matching.values import fold, text_of, text_test
from detector.rules.condition import TextTest

_parts: st.SearchStrategy[str | tuple[()] | None] = st.one_of(
    st.text("ab\n", min_size=1, max_size=2), st.just(()), st.none(), st.none()
)


@given(parts=st.lists(_parts, max_size=6).map(tuple), text=st.text("abAB\n", max_size=8), is_anchored=st.booleans())
@settings(max_examples=500)
def test_a_wildcard_text_means_its_regular_expression(
    parts: tuple[str | tuple[()] | None, ...], text: str, is_anchored: bool
) -> None:
    """Whichever way a text with wildcards is searched for, it matches what the naive pattern matches."""
    body = "".join(".*" if part is None else "." if part == () else re.escape(str(part)) for part in parts)
    pattern = rf"\A{body}\Z" if is_anchored else body
    expected = re.search(pattern, fold(text), re.DOTALL) is not None
    assert text_test(TextTest(parts), anchored=is_anchored)(text) is expected


def test_many_wildcards_take_no_time_that_grows_with_their_number() -> None:
    """Text after text is found in one pass; a backtracking search would not return."""
    parts: tuple[Any, ...] = (None, *("a", None) * 2_000, "b")
    assert not text_test(TextTest(parts))("a" * 200_000)


def test_an_integer_of_thousands_of_digits_has_no_text() -> None:
    """Python refuses to write it; it equals nothing that a rule can say."""
    assert text_of(10**4_299) is not None
    assert text_of(10**5_000) is None
    assert text_of(-(10**5_000)) is None
