"""Correlations made at random: the same however events arrive, and nothing is kept of what has passed."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from normalizers.event import Value
from tests.detector.correlation.driving import Arrival, Bench, collected, rule

RULES = "---\n".join([*(rule(action, action) for action in "abc"), rule("also", "a")])
SECONDS = st.integers(1, 6).map(lambda number: f"{number}s")
NUMBERS = st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte", "eq", "neq"]), st.integers(0, 4), min_size=1)
NAMES = st.lists(st.sampled_from(["a", "b", "c", "also"]), min_size=1, max_size=3, unique=True)
WORDS = st.sampled_from(["a and not b", "a or b", "(a or b) and not c", "a and b and not c", "a and not (b and not c)"])
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "refire": st.just("every"),
    "null_group": st.just("keep"),
    "max_episode": SECONDS,
}
CLOCKS = {"max_clock_uncertainty": SECONDS}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Return a correlation of any type that loads."""
    kind = draw(
        st.sampled_from(
            ["count", "value", "temporal", "temporal_ordered", "words", "absence", "during", "first", "travel"]
        )
    )
    body: dict[str, Any] = {"group-by": draw(st.sampled_from([["k"], ["l"], ["k", "l"], []]))}
    if kind in {"absence", "during"}:
        return {**body, **_of_ours(draw, kind), **draw(_some(CLOCKS))}
    if kind == "travel":
        who = body["group-by"] or ["k"]
        return {"type": kind, "rules": draw(NAMES), "group-by": who, "timespan": draw(SECONDS), "place": "at.id"}
    if kind == "first":
        memory = draw(st.sampled_from(["all", "last"]))
        remembered = {"field": "v", "memory": memory, "learn": draw(SECONDS), "horizon": "12s"}
        return {**body, "type": "first_seen", "rules": draw(NAMES), **remembered}
    body |= {"timespan": draw(SECONDS), **draw(_some(OPTIONS))}
    if kind == "count":
        return {**body, "type": "event_count", "rules": draw(NAMES), "condition": draw(NUMBERS)}
    if kind == "value":
        types = ["value_count", "value_sum", "value_avg", "value_median", "value_percentile"]
        body |= {"type": draw(st.sampled_from(types)), "field": "v", "rules": draw(NAMES), "condition": draw(NUMBERS)}
        return {**body, "percentile": 75} if body["type"] == "value_percentile" else body
    if kind == "words":
        return {**body, "type": "temporal", "condition": draw(WORDS), **draw(_some(CLOCKS))}
    more = draw(_some({**CLOCKS, "order": st.just("certain")} if kind == "temporal_ordered" else CLOCKS))
    return {**body, "type": kind, "rules": draw(NAMES), **more}


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrival]:
    """Return events of few keys, some late, uncertain, of several keys or of none."""
    found = list[Arrival]()
    for index in range(draw(st.integers(0, 12))):
        fields: dict[str, Value] = {
            "event.action": draw(st.sampled_from("abc")),
            "k": draw(st.sampled_from(["x", "y"])),
        }
        fields |= draw(st.sampled_from([{}, {"l": "p"}, {"l": ["p", "q"]}, {"l": ["q"]}]))
        fields |= draw(st.sampled_from([{}, {"v": 1}, {"v": "2"}, {"v": -3.5}, {"v": "word"}]))
        fields |= draw(st.sampled_from([{}, {"at.id": "n", "at.geo": "50,10"}, {"at.id": "s", "at.geo": "50,10.05"}]))
        time_s = draw(st.integers(0, 40)) / 2
        doubt_s = draw(st.sampled_from([0.0, 0.0, 1.0]))
        ready_s = time_s + draw(st.integers(0, 25))
        found.append(Arrival(f"e{index:02d}", time_s, ready_s, fields, doubt_s, f"s{index % 3}"))
    return found


@settings(max_examples=150, deadline=None)
@given(body=bodies(), events=arrivals(), data=st.data())
def test_batches_partitions_and_crashes_change_nothing(
    body: dict[str, Any], events: list[Arrival], data: st.DataObject
) -> None:
    documents = yaml.safe_dump({"title": "t", "name": "t", "correlation": body})
    bench = Bench(f"{RULES}---\n{documents}", uncertainty_s=1.0)
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=5))
    crashes = data.draw(st.lists(st.booleans(), min_size=6, max_size=6))
    correlator = bench.correlator()
    mixed = data.draw(st.permutations(events))
    whole = collected(correlator.process([each for event in mixed for each in bench.candidates(event)]))
    whole |= collected(correlator.finish())
    assert bench.run_in_pieces(events, data.draw(st.sampled_from([1, 2])), cuts, crashes) == whole
    kept = {key: value for key, value in correlator.dirty() if value is not None and b"\x1f" in key}
    assert kept == {}


def _of_ours(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    if kind == "absence":
        when = draw(st.sampled_from(["after", "before", "around"]))
        return {"type": kind, "trigger": "a", "missing": draw(NAMES), "when": when, "timespan": draw(SECONDS)}
    closing = draw(st.sampled_from([{}, {"close": ["b"]}]))
    asked = draw(_some({"count": NUMBERS, "key": st.just("l"), "distinct": st.just("k"), "for": SECONDS}))
    return {"type": kind, "trigger": "c", "open": ["a", "also"], "max_age": draw(SECONDS), **closing, **asked}


def _some(options: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=options)
