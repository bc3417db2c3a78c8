"""Conditions on numbers against the obvious way: looked at with each event and with each that expires."""

from __future__ import annotations

import functools
import statistics
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normalizers.event import Value
from tests.detector.correlation.driving import SECOND, Arrival, Bench, rule

SPAN_S = 5
Numbers = Sequence[float]


def _percentile(numbers: Numbers, share: float) -> float:
    ordered = sorted(numbers)
    rank = share * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


CASES: dict[str, tuple[str, Callable[[Numbers], bool]]] = {
    "mean above": ("value_avg\n  condition: {field: v, gt: 2}", lambda found: statistics.mean(found) > 2),
    "mean below": ("value_avg\n  condition: {field: v, lt: 2}", lambda found: statistics.mean(found) < 2),
    "sum above": ("value_sum\n  condition: {field: v, gte: 5}", lambda found: sum(found) >= 5),
    "sum exactly": ("value_sum\n  condition: {field: v, eq: 4}", lambda found: sum(found) == 4),
    "median": ("value_median\n  condition: {field: v, gte: 2.5}", lambda found: statistics.median(found) >= 2.5),
    "quarter": (
        "value_percentile\n  condition: {field: v, percentile: 25, lte: 1}",
        lambda found: _percentile(found, 0.25) <= 1,
    ),
    "one value": ("value_count\n  condition: {field: v, eq: 1}", lambda found: len(set(found)) == 1),
    "few values": ("value_count\n  condition: {field: v, gt: 1, lte: 2}", lambda found: 1 < len(set(found)) <= 2),
}


@st.composite
def measurements(draw: st.DrawFn, *, late: bool = False) -> list[Arrival]:
    """Return events at whole and half seconds with small numbers, some of them as text, some none at all."""
    found = list[Arrival]()
    for index in range(draw(st.integers(0, 12))):
        time_s = draw(st.integers(0, 40)) / 2
        ready_s = time_s + draw(st.integers(0, 20 if late else 9))
        value: Value = draw(st.sampled_from([-2, 0, 1, 2, "3", 4, 5.0, None]))
        fields: dict[str, Value] = {"event.action": "a", "k": draw(st.sampled_from(["x", "y"]))}
        if value is not None:
            fields["v"] = value
        found.append(Arrival(f"e{index:02d}", time_s, ready_s, fields))
    return found


@functools.cache
def _bench(body: str) -> Bench:
    head = "title: t\nname: t\ncorrelation:\n  rules: [a]\n  group-by: [k]\n  refire: every\n"
    return Bench(f"{rule('a', 'a')}---\n{head}  timespan: {SPAN_S}s\n  type: {body}\n")


def _expected(arrivals: Sequence[Arrival], holds: Callable[[Numbers], bool]) -> Counter[tuple[object, float]]:
    """Return keys and times at which the condition holds, how often: once an event and once an instant of expiry."""
    found = Counter[tuple[object, float]]()
    for key in "xy":
        events = sorted(
            ((each.time_s, each.id, each.fields.get("v")) for each in arrivals if each.fields["k"] == key),
            key=lambda event: event[:2],
        )
        for index, (time_s, _, _) in enumerate(events):
            window = [value for at_s, _, value in events[: index + 1] if at_s >= time_s - SPAN_S]
            found[key, time_s] += _holds(window, holds)
        for left_s in sorted({time_s for time_s, _, _ in events}):
            window = [value for at_s, _, value in events if left_s < at_s <= left_s + SPAN_S]
            found[key, left_s + SPAN_S] += _holds(window, holds)
    return +found


def _holds(window: Sequence[Value], holds: Callable[[Numbers], bool]) -> bool:
    numbers = [float(str(value)) for value in window if value is not None]
    return bool(numbers) and holds(numbers)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_on_time_numbers_give_what_the_oracle_gives(name: str, data: st.DataObject) -> None:
    body, holds = CASES[name]
    arrivals = data.draw(measurements())
    drafts = _bench(body).run(arrivals).values()
    assert Counter((draft.group[0], draft.last_ns / SECOND) for draft in drafts) == _expected(arrivals, holds)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_batches_partitions_and_crashes_change_nothing(name: str, data: st.DataObject) -> None:
    arrivals = data.draw(measurements(late=True))
    bench = _bench(CASES[name][0])
    cuts = data.draw(st.lists(st.integers(0, len(arrivals)), max_size=5))
    crashes = data.draw(st.lists(st.booleans(), min_size=6, max_size=6))
    assert bench.run_in_pieces(arrivals, data.draw(st.sampled_from([1, 2])), cuts, crashes) == bench.run(arrivals)
