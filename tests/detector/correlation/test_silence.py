"""What needs silence waits for a partition that stands still; what more can only make true does not."""

from __future__ import annotations

import pytest

from detector.alert import AlertDraft
from detector.task import PartitionClock, Tick
from tests.detector.correlation.driving import SECOND, Arrival, Bench, collected, rule

RULES = "---\n".join(rule(action, action) for action in "abc")
HEAD = f"{RULES}---\ntitle: t\nname: t\ncorrelation:\n"
EVENTS = [
    Arrival(str(index), index, index, {"event.action": action, "v": 5, "at.geo": f"{index},0"})
    for index, action in enumerate("abc")
]

EAGER = {
    "event_count": "type: event_count\n  rules: [a]\n  timespan: 5s\n  condition: {gte: 1}",
    "value_count": "type: value_count\n  rules: [a]\n  timespan: 5s\n  condition: {field: v, gte: 1}",
    "temporal": "type: temporal\n  rules: [a, b]\n  timespan: 5s",
    "temporal_ordered": "type: temporal_ordered\n  rules: [a, b]\n  timespan: 5s",
    "words": "type: temporal\n  condition: a and (b or c)\n  timespan: 5s",
    "during": "type: during\n  trigger: b\n  open: [a]\n  max_age: 5s",
    "travel": "type: travel\n  group-by: [v]\n  rules: [a, b]\n  place: at.id\n  timespan: 5s",
}
SILENT = {
    "event_count": "type: event_count\n  rules: [a]\n  timespan: 5s\n  condition: {lt: 2}",
    "value_sum": "type: value_sum\n  rules: [a]\n  timespan: 5s\n  condition: {field: v, gte: 1}",
    "value_avg": "type: value_avg\n  rules: [a]\n  timespan: 5s\n  condition: {field: v, gte: 1}",
    "value_median": "type: value_median\n  rules: [a]\n  timespan: 5s\n  condition: {field: v, gte: 1}",
    "temporal": "type: temporal\n  rules: [a, b, c]\n  timespan: 1s\n  condition: {eq: 2}",
    "words": "type: temporal\n  condition: a and not z\n  timespan: 5s",
    "absence": "type: absence\n  trigger: a\n  missing: [z]\n  timespan: 5s",
    "during": "type: during\n  trigger: b\n  open: [a]\n  close: [z]\n  max_age: 5s",
    "first_seen": "type: first_seen\n  rules: [a]\n  field: v\n  learn: 0s\n  horizon: 5s",
    "during none": "type: during\n  trigger: b\n  open: [z]\n  count: {lt: 1}\n  max_age: 5s",
}


def _told(body: str) -> tuple[list[AlertDraft], list[AlertDraft]]:
    """Return the alerts while one of two partitions stands still, and those once it has come as far as the other."""
    bench = Bench(f"{rule('z', 'z')}---\n{HEAD}  {body}\n")
    correlator = bench.correlator(2)
    candidates = [candidate for event in EVENTS for candidate in bench.candidates(event)]
    correlator.process([*candidates, PartitionClock(0, 1, 0), PartitionClock(1, 1, 0), Tick(0)])
    far_ns = 1_000 * SECOND
    stuck = collected(correlator.process([PartitionClock(0, far_ns, 0), Tick(61 * SECOND)]))
    after = collected(correlator.process([PartitionClock(1, far_ns, 0)]))
    return list(stuck.values()), list(after.values())


@pytest.mark.parametrize("name", EAGER)
def test_it_goes_on_without_a_partition_that_stands_still_and_says_so(name: str) -> None:
    stuck, after = _told(EAGER[name])
    assert [draft.ahead for draft in stuck] == [True]
    assert {draft.alert_id for draft in after} <= {draft.alert_id for draft in stuck}
    assert all(draft.ahead for draft in after)


@pytest.mark.parametrize("name", SILENT)
def test_it_waits_for_a_partition_that_stands_still(name: str) -> None:
    stuck, after = _told(SILENT[name])
    assert not stuck
    assert after
    assert not any(draft.ahead for draft in after)
