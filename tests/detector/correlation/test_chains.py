"""Correlations of correlations are the same however events arrive, whatever crashes: levels wait for one another."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detector.correlation.driving import Bench, rule
from tests.detector.correlation.test_against_oracle import arrivals

RULES = "---\n".join(rule(action, action) for action in "abc")
INNER = {
    "count": "type: event_count\n  rules: [a]\n  timespan: 4s\n  condition: {gte: 2}",
    "few": "type: event_count\n  rules: [a]\n  timespan: 4s\n  condition: {lt: 2}",
    "sequence": "type: temporal_ordered\n  rules: [a, b]\n  timespan: 4s",
    "absence": "type: absence\n  trigger: a\n  missing: [b]\n  timespan: 3s",
    "not": "type: temporal\n  condition: a and not b\n  timespan: 3s",
    "during": "type: during\n  trigger: a\n  open: [b]\n  max_age: 5s",
    "travel": "type: travel\n  rules: [a, b]\n  place: event.action\n  timespan: 5s",
    "first": "type: first_seen\n  rules: [a, b]\n  field: event.action\n  learn: 0s\n  horizon: 3s",
}
OUTER = {
    "sequence": "type: temporal_ordered\n  rules: [inner, c]\n  timespan: 6s",
    "together": "type: temporal\n  rules: [c, inner]\n  timespan: 6s",
    "count": "type: event_count\n  rules: [inner]\n  timespan: 6s\n  condition: {gte: 2}",
    "absence": "type: absence\n  trigger: c\n  missing: [inner]\n  timespan: 4s",
    "not": "type: temporal\n  condition: inner and not c\n  timespan: 4s",
    "during": "type: during\n  trigger: c\n  open: [inner]\n  max_age: 6s",
    "first": "type: first_seen\n  rules: [inner, c]\n  field: event.action\n  memory: last\n  learn: 0s\n  horizon: 9s",
}


@functools.cache
def _bench(inner: str, outer: str) -> Bench:
    bodies = {"inner": INNER[inner], "outer": OUTER[outer]}
    documents = [
        f"title: {name}\nname: {name}\ncorrelation:\n  group-by: [user.name]\n  {body}\n"
        for name, body in bodies.items()
    ]
    return Bench("---\n".join([RULES, *documents]), uncertainty_s=1.0)


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", INNER)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_batches_partitions_and_crashes_change_nothing(inner: str, outer: str, data: st.DataObject) -> None:
    events = data.draw(arrivals(late=True, uncertain=True))
    bench = _bench(inner, outer)
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=5))
    crashes = data.draw(st.lists(st.booleans(), min_size=6, max_size=6))
    pieces = bench.run_in_pieces(events, data.draw(st.sampled_from([1, 2])), cuts, crashes)
    assert pieces == bench.run(events)
