"""The fold against the obvious way, on random arrivals; and against itself, however they interleave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.alert import AlertDraft
from tests.detector.correlation import oracle
from tests.detector.correlation.driving import Arrival, Bench, rule

RULES = "---\n".join(rule(f"r_{action}", action) for action in "abc")


def _correlation(body: str) -> str:
    return f"{RULES}---\ntitle: t\nname: t\nlevel: high\ncorrelation:\n  group-by: [user.name]\n{body}"


COUNT = _correlation("  type: event_count\n  rules: [r_a]\n  timespan: 5s\n  condition: {gte: 3}\n")
TEMPORAL = _correlation("  type: temporal\n  rules: [r_a, r_b, r_c]\n  timespan: 5s\n")
ORDERED = _correlation("  type: temporal_ordered\n  rules: [r_a, r_b, r_c]\n  timespan: 5s\n")
ABSENCE = _correlation("  type: absence\n  trigger: r_a\n  missing: [r_b]\n  timespan: 5s\n")
DURING = _correlation("  type: during\n  trigger: r_c\n  open: [r_a]\n  close: [r_b]\n  max_age: 8s\n")
FIRST = _correlation(
    "  type: first_seen\n  rules: [r_a, r_b, r_c]\n  field: event.action\n  learn: 4s\n  horizon: 6s\n"
)
CHANGES = FIRST.replace("learn: 4s", "learn: 0s\n  memory: last")
EVERY = "  refire: every\n"

CASES: dict[str, tuple[str, Callable[[Sequence[Arrival]], set[str]]]] = {
    "event_count": (COUNT + EVERY, lambda arrivals: oracle.event_count(arrivals, 5, 3)),
    "temporal": (TEMPORAL + EVERY, lambda arrivals: oracle.temporal(arrivals, 5, "abc")),
    "temporal_ordered": (ORDERED + EVERY, lambda arrivals: oracle.ordered(arrivals, 5, "abc")),
    "absence": (ABSENCE, lambda arrivals: oracle.absence(arrivals, 5)),
    "during": (DURING, lambda arrivals: oracle.during(arrivals, 8)),
    "first_seen": (FIRST, lambda arrivals: oracle.first_seen(arrivals, 4, 6)),
    "changes": (CHANGES, lambda arrivals: oracle.changes(arrivals, 6)),
}


@st.composite
def arrivals(draw: st.DrawFn, *, late: bool = False, uncertain: bool = False) -> list[Arrival]:
    """Return events at whole and half seconds, so that ties and window edges are common."""
    count = draw(st.integers(0, 14))
    found = list[Arrival]()
    for index in range(count):
        time_s = draw(st.integers(0, 40)) / 2
        delay_s = draw(st.integers(0, 30 if late else 10))
        fields = {"event.action": draw(st.sampled_from("abc")), "user.name": draw(st.sampled_from(["x", "y"]))}
        doubt_s = draw(st.sampled_from([0.0, 0.5, 1.0])) if uncertain else 0.0
        found.append(Arrival(f"e{index:02d}", time_s, time_s + delay_s, dict(fields), doubt_s, f"s{index % 3}"))
    return found


def _deciders(drafts: dict[str, AlertDraft], rule_name: str | None) -> set[str]:
    return {
        [step.event_id for step in draft.steps if rule_name in (None, step.rule_name)][-1]
        for draft in drafts.values()
        if draft.status != "withdrawn"
    }


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_on_time_arrivals_give_what_the_oracle_gives(name: str, data: st.DataObject) -> None:
    text, expected = CASES[name]
    events = data.draw(arrivals())
    drafts = Bench(text, first_s=min((each.time_s for each in events), default=0)).run(events)
    fired = _deciders(drafts, "r_c" if name in {"during", "temporal_ordered"} else None)
    wanted = expected(events)
    if name == "temporal_ordered" and len({each.time_s for each in events}) < len(events):
        # A first step applied after two last ones of its instant completes both chains: one application, one alert.
        assert fired <= wanted
        assert bool(fired) == bool(wanted)
    else:
        assert fired == wanted


@pytest.mark.parametrize(
    "text", [COUNT, TEMPORAL, ORDERED, ABSENCE, DURING, FIRST, CHANGES, COUNT + EVERY], ids=range(8)
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_batches_partitions_and_crashes_change_nothing(text: str, data: st.DataObject) -> None:
    events = data.draw(arrivals(late=True, uncertain=True))
    bench = Bench(text, uncertainty_s=1.0)
    whole = bench.run_in_pieces(events, 1, [], [])
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=5))
    crashes = data.draw(st.lists(st.booleans(), min_size=6, max_size=6))
    pieces = bench.run_in_pieces(events, data.draw(st.sampled_from([1, 2, 4])), cuts, crashes)
    assert pieces == whole


@settings(max_examples=60, deadline=None)
@given(events=arrivals(late=True), order=st.randoms(use_true_random=False))
def test_the_order_of_arrival_in_one_batch_does_not_matter(events: list[Arrival], order: object) -> None:
    shuffled = list(events)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' random
    assert Bench(COUNT).run(events) == Bench(COUNT).run(shuffled)
