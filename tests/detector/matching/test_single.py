"""One event a call: what is decided once and remembered stays what trying every rule gives."""

from __future__ import annotations

from typing import Any

import pytest

from detector.matching import outcomes
from detector.matching.matcher import Matcher
from detector.matching.scanner import ScannerName
from detector.rules.condition import Condition, FieldTest, KeywordTest, Not, NullTest, TextTest
from detector.rules.model import LogSource
from tests.detector.matching.agreement import assert_agreement, fail
from tests.detector.matching.conditions import rules_of
from tests.detector.matching.scanners import SCANNERS


def _contains(text: str) -> TextTest:
    return TextTest((None, text, None))


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize(
    "negated",
    [FieldTest("f", _contains("ab")), FieldTest("f", NullTest()), KeywordTest(_contains("ab"))],
    ids=["text", "null", "keyword"],
)
def test_rules_tried_on_every_event_are_decided_where_their_fields_are_missing(
    scanner: ScannerName, negated: Condition
) -> None:
    """A keyword reads every field; objects and names with spaces may give the field after all."""
    events: list[dict[str, Any]] = [
        {"g": "x"},
        {"g": "ab"},
        {"f": "xaby"},
        {"f": "x"},
        {"f": None},
        {"f ": "ab"},
        {"f": {"h": "ab"}},
        {},
    ]
    rules = rules_of([Not(negated)] * 2)
    assert_agreement(rules, events, LogSource(), scanner)
    assert_agreement(rules, events * 8, LogSource(), scanner)


@pytest.mark.parametrize("scanner", SCANNERS)
def test_a_field_of_an_object_is_not_missing(scanner: ScannerName) -> None:
    """What a rule asks for by its dotted name stands in no field of the event."""
    events: list[dict[str, Any]] = [{"f": {"h": "ab"}}, {"f": {"h": "x"}}, {"f": "x"}, {"g": "x"}, {"f": [{"h": "ab"}]}]
    assert_agreement(rules_of([Not(FieldTest("f.h", _contains("ab")))]), events * 8, LogSource(), scanner)


@pytest.mark.parametrize("scanner", SCANNERS)
def test_case_is_folded_alike_within_ascii_and_beyond(scanner: ScannerName) -> None:
    """A text is searched as it is while it is ASCII, else folded first."""
    wanted = [_contains(text) for text in ("ab", "É", "İ", "\u017f", "ς")]
    rules = rules_of([test for each in wanted for test in (FieldTest("f", each), KeywordTest(each))])
    values = ["xABx", "AB É", "éab", "I", "i", "s", "S", "Σ", "\ud800AB", "aB\nx", "A\nB"]
    assert_agreement(rules, [{"f": value, "g": "y"} for value in values], LogSource(), scanner)


@pytest.mark.parametrize("scanner", SCANNERS)
def test_outcomes_are_bounded(monkeypatch: pytest.MonkeyPatch, scanner: ScannerName) -> None:
    """However many combinations of literals a stream shows, and the same is found when they were forgotten."""
    monkeypatch.setattr(outcomes, "MAX_BYTES", 4_000)
    monkeypatch.setattr(outcomes, "_MAX_OUTCOME", 2_000)
    rules = rules_of([FieldTest("f", _contains(f"a{number}")) for number in range(24)])
    matcher = Matcher(rules, fail, scanner)
    for step in range(1, 24):
        for start in range(24 - step):
            event = {"f": " ".join(f"a{number}." for number in range(start, 24, step))}
            expected = [(0, number) for number in matcher.try_all(event, LogSource())]
            assert [matcher.match([event], LogSource()) for _ in range(2)] == [expected] * 2
    assert matcher._planner._rough is not None
    kept = matcher._planner._rough.plan.outcomes
    assert 0 < kept.bytes <= 4_000
    assert sum(outcomes._OUTCOME + outcomes._PART * (len(key) + len(kept[key].found)) for key in kept) == kept.bytes
