"""An explanation says that a correlation fired exactly when `Engine.evaluate` raises its alert."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detector.engine import Engine
from detector.explaining.correlations.correlation import CorrelationExplainer
from detector.explaining.correlations.gathering import Gathered
from detector.explaining.correlations.lines import lines_of_correlation
from detector.rules.loader import load_rules
from detector.rules.model import LogSource
from tests.detector.correlation.driving import rule
from tests.detector.matching.test_against_oracle import EXAMPLES

RULES = "---\n".join(rule(f"r_{action}", action) for action in "abc")
TWO_AT_ONCE = (
    "---\ntitle: any\nname: any\nlogsource: {}\ndetection: {s: {event.action: [a, b]}, condition: s}\n"  # a and any
)


def _of(body: str, *, group: bool = True, name: str = "t") -> str:
    by = "group-by: [user.name], " if group else ""
    return f"---\ntitle: {name}\nname: {name}\nlevel: high\ncorrelation: {{{by}{body}}}\n"


INNER = _of("type: event_count, rules: [r_a], timespan: 4s, condition: {gte: 2}", name="twice")
QUIET = _of("type: absence, trigger: r_a, missing: [r_b], timespan: 3s", name="quiet")
HELD = _of("type: during, trigger: r_b, open: [r_a], close: [r_c], max_age: 6s", name="held")
EITHER = _of("type: temporal, rules: [r_a, r_b], timespan: 4s, condition: {gte: 1}", name="either")
FEW = _of("type: event_count, rules: [r_a], timespan: 3s, condition: {lte: 1}, generate: true", name="few")

CASES: dict[str, str] = {
    "count": _of("type: event_count, rules: [r_a, any], timespan: 5s, condition: {gte: 4}"),
    "count range": _of("type: event_count, rules: [r_a], timespan: 3s, condition: {gte: 2, lt: 3}"),
    "few": _of("type: event_count, rules: [r_a], timespan: 5s, condition: {lt: 2}"),
    "no group": _of("type: event_count, rules: [r_a, r_b], timespan: 2s, condition: {gt: 4}", group=False),
    "values": _of("type: value_count, rules: [r_a, r_b], timespan: 4s, condition: {gte: 3, field: n}"),
    "pairs": _of("type: value_count, rules: [any], timespan: 4s, condition: {gte: 2, field: [n, event.action]}"),
    "sum": _of("type: value_sum, rules: [any], timespan: 4s, condition: {gt: 7, field: n}"),
    "mean": _of("type: value_avg, rules: [any], timespan: 4s, condition: {gte: 3, field: n}"),
    "median": _of("type: value_median, rules: [any], timespan: 4s, condition: {eq: 2, field: n}"),
    "percentile": _of(
        "type: value_percentile, rules: [any], timespan: 4s, condition: {lt: 1, field: n, percentile: 90}"
    ),
    "temporal": _of("type: temporal, rules: [r_a, r_b, r_c], timespan: 2s"),
    "k of n": _of("type: temporal, rules: [r_a, r_b, r_c, any], timespan: 1s, condition: {gte: 3}"),
    "exactly one": _of("type: temporal, rules: [r_a, r_b, r_c], timespan: 2s, condition: {eq: 1}"),
    "words": _of("type: temporal, timespan: 2s, condition: 'r_a and (r_b or r_c)'"),
    "words with not": _of("type: temporal, timespan: 2s, condition: 'any and r_a and not r_c'"),
    "ordered": _of("type: temporal_ordered, rules: [r_a, r_b, r_c], timespan: 4s"),
    "certain": _of("type: temporal_ordered, rules: [r_a, any, r_c], timespan: 4s, order: certain"),
    "there and back": _of("type: temporal_ordered, rules: [r_a, r_b, r_a], timespan: 4s"),
    "ordered with not": _of("type: temporal_ordered, timespan: 4s, condition: 'r_a and r_b and not r_c'"),
    "absence": _of("type: absence, trigger: r_a, missing: [r_b, r_c], timespan: 2s"),
    "absence around": _of("type: absence, trigger: any, missing: [r_a], timespan: 1s, when: around"),
    "during": _of("type: during, trigger: r_c, open: [r_a], close: [r_b], max_age: 5s"),
    "during by key": _of(
        "type: during, trigger: r_c, open: [any], close: [r_b], max_age: 8s, key: n, count: {gte: 2}, for: 1s"
    ),
    "during none": _of("type: during, trigger: r_c, open: [r_a], close: [r_b], max_age: 5s, count: {lt: 1}"),
    "during elsewhere": _of("type: during, trigger: r_c, open: [r_a], max_age: 5s, distinct: n"),
    "first seen": _of("type: first_seen, rules: [r_a, any], field: n, learn: 2s, horizon: 4s"),
    "first seen pairs": _of("type: first_seen, rules: [any], field: [n, event.action], learn: 0s, horizon: 9s"),
    "changed": _of("type: first_seen, rules: [any], field: n, memory: last, learn: 1s, horizon: 3s"),
    "travel": _of("type: travel, rules: [any, r_c], place: at.id, timespan: 9s, speed: 9000"),
    "null kept": _of("type: event_count, rules: [r_a], timespan: 5s, condition: {gte: 2}, null_group: keep"),
    "every": _of("type: temporal, rules: [r_a, r_b], timespan: 1s, refire: every"),
    "nested count": INNER + _of("type: temporal_ordered, rules: [twice, r_b], timespan: 3s"),
    "nested absence": QUIET + _of("type: event_count, rules: [quiet], timespan: 9s, condition: {gte: 2}"),
    "nested during": HELD + _of("type: temporal, rules: [held, r_c], timespan: 3s"),
    "nested first": _of("type: first_seen, rules: [any], field: n, learn: 0s, horizon: 9s", name="new")
    + _of("type: temporal, rules: [new, r_c], timespan: 3s"),
    "three levels": INNER
    + EITHER
    + _of("type: temporal_ordered, rules: [twice, either], timespan: 5s", name="both")
    + _of("type: event_count, rules: [both], timespan: 9s, condition: {gte: 3}"),
    "nested few": FEW + _of("type: event_count, rules: [few], timespan: 6s, condition: {gte: 2}"),
}


@st.composite
def events(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return events at whole and half seconds, some without a key, some with two, some without a time."""
    found = list[dict[str, Any]]()
    for _ in range(draw(st.integers(0, 12))):
        event: dict[str, Any] = {
            "@timestamp": 1_000 + draw(st.integers(0, 30)) / 2,
            "event.action": draw(st.sampled_from("abcx")),
            "user.name": draw(st.sampled_from(["x", "x", "y", ["x", "y"], None])),
            "at.id": draw(st.sampled_from(["p", "p", "q", None])),
            "at.geo": draw(st.sampled_from(["50,10", "50.09,10", None])),
            "n": draw(st.sampled_from([0, 1, 2, 3, 5, "2", "many", None])),
        }
        if draw(st.integers(0, 19)) == 0:
            del event["@timestamp"]
        found.append(event)
    return found


@pytest.mark.parametrize(
    "name", ["count", "few", "mean", "words with not", "ordered", "absence", "changed", "nested few"]
)
@settings(max_examples=max(EXAMPLES // 3, 1), deadline=None)
@given(given_events=events(), lateness_s=st.integers(0, 8))
def test_fired_exactly_when_the_engine_alerts_on_arrivals_none_of_which_is_late(
    name: str, given_events: list[dict[str, Any]], lateness_s: int
) -> None:
    """With no event of the rule late, what it means is what was decided, in whatever order they came."""
    lateness_ns = lateness_s * 10**9
    engine = Engine(load_rules(RULES + TWO_AT_ONCE + CASES[name]))
    rule = engine.ruleset.correlations["t"]
    gathered = Gathered(engine.ruleset, rule, lateness_ns)
    batch = [(given_events, [LogSource()] * len(given_events))]
    gathered.read(batch, lambda some: engine.match_batch(some, LogSource()), "@timestamp")
    assume(not gathered.late)
    alerts = engine.evaluate(given_events, lateness_ns=lateness_ns)
    told = CorrelationExplainer(engine.ruleset, rule, gathered).explain()
    assert told.fired == any(alert.document["rule"]["name"] == "t" for alert in alerts)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=max(EXAMPLES // 3, 1), deadline=None)
@given(given_events=events())
def test_fired_exactly_when_the_engine_alerts(name: str, given_events: list[dict[str, Any]]) -> None:
    engine = Engine(load_rules(RULES + TWO_AT_ONCE + CASES[name]))
    alerts = [alert for alert in engine.evaluate(given_events) if alert.document["rule"]["name"] == "t"]
    told = engine.explain_correlation("t", given_events)
    assert told.fired == bool(alerts)
    if told.fired:
        evidence = {int(each) for alert in alerts for each in alert.document["convergence"]["evidence_ids"]}
        first = {event for group in told.groups if group.fired for event in group.windows[0].candidates[-1].events}
        assert first <= evidence
    else:
        assert told.blockers or not any(rule.matched for rule in told.rules)
    assert msgspec.json.decode(msgspec.json.encode(told), type=type(told)) == told
    assert all(line.text.isprintable() for line in lines_of_correlation(told))
