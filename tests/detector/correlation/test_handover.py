"""Correlations that go on under other rules: those that mean the same keep their groups, and nothing is read back."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.alert import AlertDraft
from detector.correlation import level
from detector.correlation.correlator import Correlator
from detector.task import LogRecord, PartitionClock
from tests.detector.correlation.driving import SECOND, Arrival, Bench, collected, rule
from tests.detector.correlation.test_against_oracle import arrivals

RULES = [rule(f"r_{action}", action) for action in "abc"]
BODIES = {
    "count": "type: event_count\n  rules: [r_a]\n  timespan: 5s\n  condition: {gte: 2}\n",
    "few": "type: event_count\n  rules: [r_a, r_b]\n  timespan: 5s\n  condition: {lt: 2}\n",
    "values": "type: value_count\n  rules: [r_a, r_b]\n  timespan: 5s\n  condition: {gte: 2, field: event.action}\n",
    "temporal": "type: temporal\n  rules: [r_a, r_b]\n  timespan: 5s\n",
    "ordered": "type: temporal_ordered\n  rules: [r_a, r_b, r_c]\n  timespan: 5s\n  refire: every\n",
    "without": "type: temporal\n  condition: r_a and not r_b\n  timespan: 5s\n",
    "absence": "type: absence\n  trigger: r_a\n  missing: [r_b]\n  timespan: 5s\n",
    "during": "type: during\n  trigger: r_c\n  open: [r_a]\n  close: [r_b]\n  max_age: 8s\n",
    "first": "type: first_seen\n  rules: [r_a, r_b]\n  field: event.action\n  learn: 5s\n  horizon: 60s\n",
    "outer": "type: event_count\n  rules: [count]\n  timespan: 9s\n  condition: {gte: 2}\n",
}
EXAMPLES = 1_000 if os.environ.get("ISTHMUS_LONG") else 60
EDITS = ["same", "same", "words", "meaning", "left"]
Bundle = dict[str, str]
"""Correlation to what was done to it."""


def _text(bundle: Bundle) -> str:
    documents = list(RULES)
    for name, body in BODIES.items():
        edit = bundle[name]
        if edit == "left" or (name == "outer" and bundle["count"] == "left"):
            continue
        title = f"{name} in other words" if edit == "words" else name
        changed = body.replace("5s", "6s").replace("8s", "7s").replace("9s", "10s") if edit == "meaning" else body
        documents.append(f"title: {title}\nname: {name}\ncorrelation:\n  group-by: [user.name]\n  {changed}")
    return "---\n".join(documents)


class _Line:
    """A correlator whose rules change, by hand-over or by what was stored."""

    def __init__(self, bundle: Bundle, *, hands_over: bool) -> None:
        self._hands_over = hands_over
        self._bench = Bench(_text(bundle), uncertainty_s=1.0)
        self._correlator = self._bench.correlator()
        self._correlator.restored()
        self.stored: dict[bytes, bytes] = {}
        self.drafts: dict[str, AlertDraft] = {}

    def feed(self, some: Sequence[Arrival]) -> None:
        records: list[LogRecord] = [each for arrival in some for each in self._bench.candidates(arrival)]
        if some:
            records.append(PartitionClock(0, int(some[-1].ready_s * SECOND), 0))
        self._collect(collected(self._correlator.process(records)))

    def change(self, bundle: Bundle) -> None:
        self._bench = Bench(_text(bundle), uncertainty_s=1.0)
        before, self._correlator = self._correlator, self._bench.correlator()
        if self._hands_over:
            assert self._correlator.succeed(before)
        else:
            for key, value in self.stored.items():
                self._correlator.restore(key, value)
            self._correlator.restored()

    def finish(self) -> None:
        self._collect(collected(self._correlator.finish()))

    def _collect(self, drafts: dict[str, AlertDraft]) -> None:
        self.drafts |= drafts
        for key, value in self._correlator.dirty():
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value


_bundles = st.fixed_dictionaries({name: st.sampled_from(EDITS) for name in BODIES})


@settings(max_examples=EXAMPLES, deadline=None)
@given(events=arrivals(late=True, uncertain=True), bundles=st.lists(_bundles, min_size=2, max_size=3), data=st.data())
def test_handing_over_gives_what_restoring_gives(
    events: list[Arrival], bundles: list[Bundle], data: st.DataObject
) -> None:
    ordered = sorted(events, key=lambda each: (each.ready_s, each.id))
    cuts = sorted(data.draw(st.integers(0, len(ordered))) for _ in bundles[1:])
    lines = [_Line(bundles[0], hands_over=way) for way in (True, False)]
    for line in lines:
        for start, end, following in zip([0, *cuts], [*cuts, len(ordered)], [*bundles[1:], None], strict=True):
            line.feed(ordered[start:end])
            if following is not None:
                line.change(following)
        line.finish()
    handed, restored = lines
    assert handed.drafts == restored.drafts
    assert handed.stored == restored.stored


@pytest.mark.parametrize("edit", ["same", "words", "meaning", "left"])
def test_one_changed_correlation_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch, edit: str) -> None:
    """Groups of correlations that mean the same are the very same objects, and no entry of the store is read."""
    fields = [{"event.action": "a", "user.name": f"u{number}"} for number in range(50)]
    base = dict.fromkeys(BODIES, "same")
    bench = Bench(_text(base))
    before = bench.correlator()
    before.restored()
    records = [each for n, one in enumerate(fields) for each in bench.candidates(Arrival(f"e{n}", 1, 1, {**one}))]
    before.process([*records, PartitionClock(0, 12 * SECOND, 0)])
    known = _groups(before)
    reads = list[bytes]()
    monkeypatch.setattr(level, "read_state", lambda key, _state: reads.append(key))
    after = Bench(_text(base | {"temporal": edit})).correlator()
    assert after.succeed(before)
    assert not reads
    kept = _groups(after)
    changed = set() if edit in {"same", "words"} else {"temporal"}
    assert {name for name, groups in known.items() if kept.get(name) is not groups} == changed
    assert len(known["count"]) == len(kept["count"]) == 50


def _groups(correlator: Correlator) -> dict[str, dict[object, object]]:
    found = dict[str, dict[object, object]]()
    for each in correlator._levels.values():
        found |= {name: groups.known for name, groups in each._groups.items()}  # type: ignore[misc]  # any group
    return found


@pytest.mark.parametrize("hands_over", [True, False])
def test_an_episode_under_a_new_meaning_is_kept_though_one_under_the_old_is_dropped(*, hands_over: bool) -> None:
    """A group that is dropped and there anew at the next checkpoint has one entry: that of the new meaning."""
    line = _Line(dict.fromkeys(BODIES, "same"), hands_over=hands_over)
    for number, edit in enumerate(["meaning", "same"]):
        time_s = 30.0 * number
        fields = {"event.action": "a", "user.name": "x"}
        line.feed([Arrival(f"e{number}", time_s, time_s, {**fields}), Arrival(f"z{number}", time_s, time_s + 12, {})])
        line.change(dict.fromkeys(BODIES, "same") | {"few": edit})
    line.finish()
    closed = [draft.reason for draft in line.drafts.values() if draft.rule_id == "few"]
    assert closed == ["the rule left or changed while this went on"] * 2
