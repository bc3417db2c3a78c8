"""Conditions of words: decided by silence, overturned by what comes late, and the same however it arrives."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.alert import AlertDraft
from detector.task import PartitionClock
from tests.detector.correlation import oracle
from tests.detector.correlation.driving import SECOND, Arrival, Bench, collected, rule
from tests.detector.correlation.test_against_oracle import arrivals

RULES = "---\n".join(rule(action, action) for action in "abc")


@functools.cache
def _bench(condition: str, kind: str = "temporal", *, uncertainty_s: float = 0.0, more: str = "") -> Bench:
    body = f"  type: {kind}\n  group-by: [user.name]\n  timespan: 5s\n  condition: {condition}\n"
    return Bench(f"{RULES}---\ntitle: t\nname: t\ncorrelation:\n{body}{more}", uncertainty_s=uncertainty_s)


def _event(
    name: str, action: str, time_s: float, *, ready_s: float | None = None, doubt_s: float = 0.0, user: str = "x"
) -> Arrival:
    fields = {"event.action": action, "user.name": user}
    return Arrival(name, time_s, time_s if ready_s is None else ready_s, dict(fields), doubt_s, f"s-{action}")


def _told(drafts: dict[str, AlertDraft]) -> list[tuple[str, list[str]]]:
    return [(draft.status, [step.event_id for step in draft.steps]) for draft in drafts.values()]


CONDITIONS: dict[str, tuple[str, Callable[[set[object]], bool]]] = {
    "a and not b": ("a", lambda present: "a" in present and "b" not in present),
    "a and b and not c": ("ab", lambda present: {"a", "b"} <= present and "c" not in present),
    "(a or b) and not c": ("ab", lambda present: bool({"a", "b"} & present) and "c" not in present),
    "a and not (b and c)": ("a", lambda present: "a" in present and not {"b", "c"} <= present),
    "(a and not b) or (b and not a)": ("ab", lambda present: ("a" in present) != ("b" in present)),
    "a and not (b and not c)": ("ac", lambda present: "a" in present and ("b" not in present or "c" in present)),
}


@pytest.mark.parametrize("condition", CONDITIONS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_on_time_arrivals_give_what_the_oracle_gives(condition: str, data: st.DataObject) -> None:
    anchors, holds = CONDITIONS[condition]
    events = data.draw(arrivals())
    drafts = _bench(condition).run(events).values()
    told = [(draft.group[0], draft.last_ns / SECOND - 5) for draft in drafts]
    assert len(told) == len(set(told))
    assert set(told) == oracle.extended(events, 5, anchors, holds)


@pytest.mark.parametrize(
    ("condition", "steps", "unwanted"),
    [("a and b and not c", "ab", "c"), ("not c and b and a", "ba", "c"), ("a and not b and not c", "a", "bc")],
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sequences_give_what_the_oracle_gives(condition: str, steps: str, unwanted: str, data: st.DataObject) -> None:
    events = data.draw(arrivals())
    drafts = _bench(condition, "temporal_ordered").run(events).values()
    told = [(draft.group[0], draft.last_ns / SECOND - 5) for draft in drafts]
    assert len(told) == len(set(told))
    assert set(told) == oracle.extended_ordered(events, 5, steps, unwanted)


WITHOUT_NOT: dict[str, Callable[[set[object]], bool]] = {
    "a and b or c": lambda present: {"a", "b"} <= present or "c" in present,
    "a and (b or c)": lambda present: "a" in present and bool({"b", "c"} & present),
}


@pytest.mark.parametrize("condition", WITHOUT_NOT)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_without_a_not_it_fires_as_temporal_does(condition: str, data: st.DataObject) -> None:
    events = data.draw(arrivals())
    fired = {draft.steps[-1].event_id for draft in _bench(condition, more="  refire: every\n").run(events).values()}
    assert fired == oracle.expressed(events, 5, WITHOUT_NOT[condition])


@pytest.mark.parametrize("kind", ["temporal", "temporal_ordered"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_batches_partitions_and_crashes_change_nothing(kind: str, data: st.DataObject) -> None:
    events = data.draw(arrivals(late=True, uncertain=True))
    bench = _bench("a and b and not c", kind, uncertainty_s=1.0)
    whole = bench.run_in_pieces(events, 1, [], [])
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=5))
    crashes = data.draw(st.lists(st.booleans(), min_size=6, max_size=6))
    assert bench.run_in_pieces(events, data.draw(st.sampled_from([1, 2, 4])), cuts, crashes) == whole
    assert bench.run(events) == whole


def test_it_never_fires_before_its_window_has_passed() -> None:
    bench = _bench("a and not b")
    correlator = bench.correlator()
    # The window ends at 5 s and lateness is 10 s: W itself may still bring something.
    candidates = bench.candidates(_event("1", "a", 0))
    assert not collected(correlator.process([*candidates, PartitionClock(0, 15 * SECOND, 0)]))
    assert _told(collected(correlator.process([PartitionClock(0, 15 * SECOND + 1, 0)]))) == [("closed", ["1"])]


def test_what_must_not_happen_withdraws_when_it_comes_late() -> None:
    bench = _bench("a and not b")
    correlator = bench.correlator()
    early = collected(correlator.process([*bench.candidates(_event("1", "a", 0)), PartitionClock(0, 30 * SECOND, 0)]))
    late = bench.candidates(_event("2", "b", 3, ready_s=40))
    draft = next(iter(collected(correlator.process([*late, PartitionClock(0, 90 * SECOND, 0)])).values()))
    assert draft.alert_id in early
    assert (draft.status, draft.late) == ("withdrawn", True)
    assert draft.reason == "what must not happen happened after all: b by x"


def test_a_part_that_comes_late_completes_a_decided_window() -> None:
    drafts = _bench("a and b and not c").run([_event("1", "a", 0), _event("2", "b", 3, ready_s=40)])
    assert _told(drafts) == [("closed", ["1", "2"])]
    assert next(iter(drafts.values())).late


def test_a_clock_that_may_be_wrong_keeps_an_alert_back() -> None:
    events = [_event("1", "a", 0, doubt_s=1), _event("2", "b", 6.5, doubt_s=1)]
    assert not _bench("a and not b", uncertainty_s=1).run(events)
    assert _bench("a and not b", uncertainty_s=1).run([events[0], _event("2", "b", 7.5, doubt_s=1)])


def test_order_is_asked_of_what_must_match_only() -> None:
    bench = _bench("a and b and not c", "temporal_ordered")
    assert _told(bench.run([_event("1", "a", 0), _event("2", "b", 2)])) == [("closed", ["1", "2"])]
    assert not bench.run([_event("1", "b", 0), _event("2", "a", 2)])
    assert not bench.run([_event("1", "a", 0), _event("2", "b", 2), _event("3", "c", 5)])
    assert bench.run([_event("0", "c", -1), _event("1", "a", 0), _event("2", "b", 2)])
