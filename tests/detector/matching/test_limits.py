"""Large events: their beginning is matched, by every path alike, and that they were large is said."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from detector.engine import Engine
from detector.matching import limits, matcher
from detector.matching.fields import flat_fields
from detector.matching.limits import MAX_DEPTH, MAX_FIELDS, MAX_VALUES, is_large
from detector.matching.scanner import ScannerName
from detector.rules.condition import Condition
from detector.rules.loader import load_rules
from detector.rules.model import LogSource
from tests.detector.matching.agreement import assert_agreement
from tests.detector.matching.conditions import conditions, events, rules_of
from tests.detector.matching.scanners import SCANNERS

EXAMPLES = 2_000 if os.environ.get("ISTHMUS_LONG") else 150
RULE = "title: r\nname: r\nlogsource: {}\ndetection:\n  s: {f: x}\n  condition: s\n"


def _deep(levels: int) -> Any:  # noqa: ANN401  a list in a list
    return [] if levels == 1 else [_deep(levels - 1)]


@pytest.mark.parametrize(
    ("event", "large"),
    [
        ({"f": [1] * MAX_VALUES}, False),
        ({"f": [1] * (MAX_VALUES + 1)}, True),
        ({"f": [1] * MAX_VALUES, "g": [1]}, True),
        ({"f": {"a": [1] * (MAX_VALUES - 1)}}, False),
        ({"f": {"a": [1] * MAX_VALUES}}, True),
        ({str(number): 1 for number in range(MAX_FIELDS)}, False),
        ({str(number): 1 for number in range(MAX_FIELDS + 1)}, True),
        ({"f": _deep(MAX_DEPTH)}, False),
        ({"f": _deep(MAX_DEPTH + 1)}, True),
    ],
)
def test_an_event_is_large_just_beyond_a_bound(event: dict[str, Any], large: bool) -> None:
    assert is_large(event) is large


def test_the_first_values_of_a_large_event_are_looked_at() -> None:
    fields = flat_fields({"g": "scalar", "f": ["a"] * 1_000_000, "h": {"i": 1}, "j": "scalar"})
    assert (len(fields["f"]), fields["g"], fields["j"]) == (MAX_VALUES, "scalar", "scalar")
    assert "h.i" not in fields


def test_large_events_match_by_their_beginning_are_counted_and_reported_once() -> None:
    early, late = {"f": ["x", *["a"] * MAX_VALUES]}, {"f": [*["a"] * MAX_VALUES, "x"]}
    wide = {**{f"n{number}": "a" for number in range(MAX_FIELDS)}, "f": "x"}
    engine = Engine(load_rules(RULE))
    with capture_logs() as logs:
        assert engine.match(early)
        assert not engine.match(late)
        assert not engine.match(wide)
        batch: list[dict[str, Any]] = [early, late, wide, {"f": "x"}] * 4
        assert [row % 4 for row, _ in engine.match_batch(batch, LogSource())] == [0, 3] * 4
    assert engine.cut == 3 + 12
    assert engine.noticed() == {"event_cut": 15}
    assert not engine.noticed()
    assert [log["event"] for log in logs] == ["event_cut"]


@pytest.mark.parametrize("scanner", SCANNERS)
@given(made=st.lists(conditions, min_size=1, max_size=6), batch=st.lists(events, min_size=1, max_size=8))
@settings(max_examples=EXAMPLES, deadline=None)
def test_every_path_looks_at_the_same_beginning(
    scanner: ScannerName, made: list[Condition], batch: list[dict[str, Any]]
) -> None:
    """With bounds so low that random events pass them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MAX_VALUES", 3)
        patch.setattr(limits, "MAX_DEPTH", 2)
        for module in (limits, matcher):
            patch.setattr(module, "MAX_FIELDS", 3)
        assert_agreement(rules_of(made), batch, LogSource(), scanner)
