"""When plans are made, and how often at most."""

from __future__ import annotations

from typing import Any

import pytest

from detector.matching import planning
from detector.matching.matcher import Matcher
from detector.matching.planning import EARNED, FIRST_REST, OWN_FROM, WINDOW
from detector.matching.sample import MAX_EVENTS
from detector.rules.condition import And, Condition, FieldTest, TextTest
from detector.rules.model import DetectionRule, LogSource, RuleMeta
from tests.detector.matching.conditions import rules_of

BATCH = 64


def _fail(rule: DetectionRule, error: Exception) -> None:
    raise AssertionError(f"{rule.condition}: {error!r}")


def _contains(path: str, text: str) -> FieldTest:
    return FieldTest(path, TextTest((None, text, None)))


def _feed(matcher: Matcher, events: list[dict[str, Any]], source: LogSource, batches: int) -> None:
    for _ in range(batches):
        matcher.match(events, source)


def test_a_log_source_gets_its_own_plan_after_tens_of_events() -> None:
    """The first plan serves at once, a better one when enough was seen; then none is made any more."""
    matcher = Matcher(rules_of([_contains("f", "abc")] * 3), _fail)
    source = LogSource("c", "p")
    matcher.match([{"f": "x"}] * (OWN_FROM - 1), source)
    assert matcher.plans == 1
    _feed(matcher, [{"f": "x"}] * BATCH, source, MAX_EVENTS // BATCH + 8)
    assert matcher.plans == 2
    _feed(matcher, [{"f": "x"}] * BATCH, source, 200)
    assert matcher.plans == 2


@pytest.mark.parametrize("size", [1, BATCH])
def test_a_changed_stream_gets_a_new_plan_that_tries_less(size: int) -> None:
    """An anchor that was rare becomes common: the rule is found by the other, and tries fall again."""
    rules = rules_of([And((_contains("f", "aa"), _contains("g", "bb")))])
    matcher = Matcher(rules, _fail)
    tries = list[int]()
    count = planning.Planning.count

    def counted(this: planning.Planning, events: int, tried: int) -> None:
        tries.append(tried)
        count(this, events, tried)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning.Planning, "count", counted)
        patch.setattr(planning, "_DRIFT", 0.0)  # one rule is tried once an event at most; the least growth counts
        patch.setattr(planning, "_LEAST", 0.5)
        before, after = {"f": "xx", "g": "bb"}, {"f": "aa", "g": "yy"}
        _feed(matcher, [before] * size, LogSource(), (FIRST_REST + 4 * WINDOW) // size)
        assert matcher.plans == 2
        assert not any(tries[-10:])
        tries.clear()
        _feed(matcher, [after] * size, LogSource(), (FIRST_REST + 4 * WINDOW) // size)
    assert tries[0] == size
    assert matcher.plans == 3
    assert not any(tries[-10:])


def test_log_sources_by_the_hundred_cannot_make_it_plan_without_end() -> None:
    """Rules planned stay within what was there at first and what events earned."""
    named = [LogSource("c", f"p{number}") for number in range(400)]
    rules = [
        DetectionRule(
            meta=RuleMeta(id=f"r{number}", name="", title=""),
            logsource=LogSource("c", f"p{number % 400}") if number < 400 else LogSource("c"),
            condition=_contains("f", f"<{number}>"),
            field_paths=frozenset({"f"}),
        )
        for number in range(1_000)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "MAX_BYTES", 1)  # each new plan pushes the one before it out
        patch.setattr(planning, "MAX_EARNED", 0.0)
        matcher = Matcher(rules, _fail)
        events = 0
        for _ in range(12):
            for source in named:
                assert matcher.match([{"f": "<999>"}] * OWN_FROM, source) == [(row, 999) for row in range(64)]
                events += OWN_FROM
    affordable = 4 * len(rules) + EARNED * events
    assert 1 < matcher.plans <= 1 + affordable / 601


def test_the_first_plan_finds_no_rule_of_another_log_source() -> None:
    """It is made of all rules and serves every log source until that has its own."""
    same: list[Condition] = [_contains("f", "abc")] * 3  # of no log source, of c/p and of c/q/s
    matcher = Matcher(rules_of(same), _fail)
    event = {"f": "xabcx"}
    assert [number for _, number in matcher.match([event] * 9, LogSource("c", "p"))][:2] == [0, 1]
    assert matcher.match([event], LogSource("c", "q", "s")) == [(0, 0), (0, 2)]
    assert matcher.match([event], LogSource("c", "q", "s")) == [(0, 0), (0, 2)]
    assert matcher.match([event], LogSource("d")) == [(0, 0)]
    assert matcher.plans == 1


def test_a_log_source_that_falls_silent_holds_no_other_up() -> None:
    """Its plan is made of what there was, or given up."""
    matcher = Matcher(rules_of([_contains("f", "abc")] * 3), _fail)
    matcher.match([{"f": "x"}] * OWN_FROM, LogSource("c", "p"))
    _feed(
        matcher, [{"f": "x"}] * BATCH, LogSource("c", "q", "s"), planning.PATIENCE // BATCH + MAX_EVENTS // BATCH + 16
    )
    assert matcher.plans == 2
