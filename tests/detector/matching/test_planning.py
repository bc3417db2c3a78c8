"""When plans are made, and how often at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from detector.matching import plan, planning
from detector.matching.matcher import Matcher
from detector.matching.planning import EARNED, FIRST_REST, OWN_FROM, WINDOW
from detector.matching.sample import MAX_EVENTS
from detector.matching.scanner import Scanner, ScannerName, hyperscan, scanner_for
from detector.rules.condition import And, Condition, FieldTest, KeywordTest, Or, TextTest
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


@pytest.mark.skipif(hyperscan is None, reason="no wheel for this machine")
def test_scanners_are_made_one_a_batch_and_never_of_many_literals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making one takes time by its literals: that bounds how long a batch waits, and none of the rules is lost."""
    made = Counter[int]()
    batch = 0

    def counted(literals: Sequence[str], groups: Sequence[int], name: ScannerName) -> Scanner:
        if name == "hyperscan":
            made[batch] += len(literals)
        return scanner_for(literals, groups, name)

    monkeypatch.setattr(plan, "scanner_for", counted)
    monkeypatch.setattr(plan, "MAX_LITERALS", 16)
    conditions: list[Condition] = [_contains("f", f"<{number}>") for number in range(90)]
    conditions += [KeywordTest(TextTest((None, f"<k{number}>", None))) for number in range(40)]
    matcher = Matcher(rules_of(conditions), _fail, "hyperscan")
    while batch < MAX_EVENTS // BATCH + 30:
        matcher.match([{"f": "x", "g": "y"}] * BATCH, LogSource("c", "p"))
        batch += 1
    assert matcher.plans == 2
    assert len(made) > 5
    assert max(made.values()) <= 16
    event = {"f": "".join(f"<{number}>" for number in range(90)), "g": "".join(f"<k{each}>" for each in range(40))}
    applying = [number for number in range(130) if number % 3 < 2]  # the others are of another log source
    assert matcher.match([event], LogSource("c", "p")) == [(0, number) for number in applying]
    assert matcher.match([event] * 9, LogSource("c", "p")) == [(row, number) for row in range(9) for number in applying]


def test_a_field_that_turns_up_late_is_searched_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sample had it, so no scanner was made for it: the one that is made in no time serves."""
    matcher = Matcher(rules_of([_contains("late", "abc")] * 3), _fail)
    _feed(matcher, [{"f": "x"}] * BATCH, LogSource("c", "p"), MAX_EVENTS // BATCH + 8)
    assert matcher.plans == 2
    names = list[ScannerName]()

    def noted(literals: Sequence[str], groups: Sequence[int], name: ScannerName) -> Scanner:
        names.append(name)
        return scanner_for(literals, groups, name)

    monkeypatch.setattr(plan, "scanner_for", noted)
    event = {"late": "xabcx"}
    assert matcher.match([event] * 9, LogSource("c", "p")) == [(row, number) for row in range(9) for number in (0, 1)]
    assert names == ["ahocorasick"]


def test_the_first_plan_joins_rules_without_a_choice_and_those_with_one() -> None:
    """The first are planned before any event came; the same anchor brings up both."""
    equal, other = FieldTest("f", TextTest(("ab",))), _contains("g", "never seen")
    several = Or((_contains("g", "cd"), And((other, equal))))
    matcher = Matcher(rules_of([equal, And((equal, other)), several]), _fail)
    assert matcher.plans == 0
    assert matcher.match([{"f": "AB"}], LogSource()) == [(0, 0)]
    assert matcher.match([{"f": "AB", "g": "never seen"}] * 9, LogSource()) == [
        (row, number) for row in range(9) for number in (0, 1, 2)
    ]
    assert matcher.match([{"f": "x", "g": "xcdx"}], LogSource()) == [(0, 2)]
    assert matcher.plans == 1
