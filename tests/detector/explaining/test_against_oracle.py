"""An explanation's verdict is the oracle's and the engine's, whatever the rule and the event."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.explaining.judging import judge
from detector.explaining.outline import outline_of
from detector.explaining.rule import RuleExplainer
from detector.explaining.text import lines_of
from detector.matching.evaluator import compile_condition
from detector.matching.fields import flat_fields
from detector.matching.matcher import Matcher
from detector.rules.condition import Condition
from detector.rules.model import DetectionRule, LogSource
from tests.detector.matching.conditions import SOURCES, conditions, events, rules_of
from tests.detector.matching.test_against_oracle import EXAMPLES


def _fail(rule: DetectionRule, error: Exception) -> None:
    raise AssertionError(f"{rule.condition}: {error!r}")


@given(
    made=st.lists(conditions, min_size=1, max_size=3),
    event=events,
    source=st.sampled_from([*SOURCES, LogSource("d", "q", "s")]),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_verdict_is_the_engines_and_the_oracles(
    made: list[Condition], event: dict[str, Any], source: LogSource
) -> None:
    rules = rules_of(made)
    matcher = Matcher(rules, _fail, "ahocorasick")
    fast = {number for _, number in matcher.match([event], source)}
    slow = set(matcher.try_all(event, source))
    for number, rule in enumerate(rules):
        explainer = RuleExplainer(rule)
        told = explainer.explain(event, source)
        assert told.matched == (number in fast) == (number in slow)
        assert told.matched == (not told.blockers) == (told.distance == 0) == (explainer.distance(event, source) == 0)
        assert msgspec.json.decode(msgspec.json.encode(told), type=type(told)) == told
        assert all(line.text.isprintable() and len(line.text) < 3_000 for line in lines_of(told))


@given(made=conditions, event=events)
@settings(max_examples=EXAMPLES, deadline=None)
def test_folding_values_into_one_test_changes_no_answer(made: Condition, event: dict[str, Any]) -> None:
    fields = flat_fields(event)
    judged = judge(outline_of(rules_of([made])[0]), fields)
    assert judged.held == compile_condition(made)(fields)
    assert (judged.repair == 0) == judged.held == (judged.damage > 0)
