"""`first_seen` beyond its cases: what it keeps, since when it learns, what a flood costs."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.correlation.correlator import Correlator
from detector.correlation.ordering import NOT_YET
from detector.correlation.sightings import EveryValue, Sighting
from detector.task import EngineEvent, Output, PartitionClock, Unwatched
from tests.detector.correlation.driving import SECOND, Arrival, Bench, collected, rule

TEXT = (
    f"{rule('a', 'a')}---\ntitle: t\nname: t\nid: 6b8f4a5e-5a51-4c0e-9f38-4b8d0b3f9c02\ncorrelation:\n"
    "  type: first_seen\n  rules: [a]\n  group-by: [source.ip]\n  field: zone\n  learn: 10s\n  horizon: 100s\n"
)
NO_LEARNING = TEXT.replace("learn: 10s", "learn: 0s")


def _event(number: int, time_s: float, key: str, zone: str = "z") -> Arrival:
    return Arrival(f"{number:08d}", time_s, time_s, {"event.action": "a", "source.ip": key, "zone": zone})


def _process(bench: Bench, correlator: Correlator, *arrivals: Arrival, clock_s: float) -> list[Output]:
    candidates = [each for arrival in arrivals for each in bench.candidates(arrival)]
    return correlator.process([*candidates, PartitionClock(0, int(clock_s * SECOND), 0)])


def _watching(text: str) -> Bench:
    """Return rules that learn since they became active, as a runtime has them."""
    bench = Bench(text, lateness_ns=0)
    bench.settings = msgspec.structs.replace(bench.settings, learns_from_ns=None, watched_from_ns=None)
    return bench


def test_it_learns_from_the_begin_of_watching_and_goes_on_after_a_restart() -> None:
    bench = _watching(TEXT)
    correlator = bench.correlator()
    correlator.restored()
    correlator.process([PartitionClock(0, 1_000 * SECOND, 0, unwatched=(Unwatched(None, 1_000 * SECOND),))])
    assert not _process(bench, correlator, _event(0, 1_005, "x"), clock_s=1_006)
    again = bench.correlator()
    for key, value in correlator.dirty():
        assert value is not None or b"\x1fc\x1f" in key
        if value is not None:
            again.restore(key, value)
    again.restored()
    assert not _process(bench, again, _event(1, 1_009.9, "x", "y"), clock_s=1_010)
    drafts = collected(_process(bench, again, _event(2, 1_010, "x", "w"), _event(3, 1_011, "x"), clock_s=1_012))
    assert [draft.fields["convergence.first_seen.value"] for draft in drafts.values()] == [["w"]]


def test_a_rule_that_means_something_else_learns_anew() -> None:
    bench, changed = _watching(TEXT), _watching(TEXT.replace("field: zone", "field: [zone]\n  memory: last"))
    correlator = bench.correlator()
    correlator.restored()
    correlator.process([PartitionClock(0, 1_000 * SECOND, 0, unwatched=(Unwatched(None, 1_000 * SECOND),))])
    _process(bench, correlator, _event(0, 1_005, "x"), clock_s=2_000)
    after = changed.correlator()
    for key, value in correlator.dirty():
        if value is not None:
            after.restore(key, value)
    after.restored()
    arrivals = [_event(number, 2_001 + number * 4, "x", zone) for number, zone in enumerate("abcd")]
    drafts = collected(_process(changed, after, *arrivals, clock_s=3_000))
    assert [[step.event_id for step in draft.steps] for draft in drafts.values()] == [["00000003"]]


def test_what_is_kept_of_a_key_is_small_and_written_once() -> None:
    bench = Bench(NO_LEARNING, lateness_ns=0)
    correlator = bench.correlator()
    count = 2_000
    _process(bench, correlator, *(_event(n, n / 100, f"10.0.{n >> 8}.{n & 255}") for n in range(count)), clock_s=30)
    stored = {key: value for key, value in correlator.dirty() if value is not None and key.startswith(b"1\x1f")}
    size = sum(len(key) + len(value) for key, value in stored.items())
    assert (len(stored), size / count < 150) == (count, True)
    assert not list(correlator.dirty())


def test_a_flood_of_keys_goes_by_deadline_and_is_reported() -> None:
    bench = Bench(NO_LEARNING, lateness_ns=0)
    bench.settings = msgspec.structs.replace(bench.settings, budget=50)
    correlator = bench.correlator()
    known = [_event(0, 0, "kept", "x"), _event(1, 1, "kept", "y")]
    outputs = _process(bench, correlator, *known, *(_event(n, n / 2, f"k{n}") for n in range(4, 104)), clock_s=60)
    reports = [each for each in outputs if isinstance(each, EngineEvent)]
    assert [each.kind for each in reports] == ["correlation-overflow"]
    again = _process(bench, correlator, _event(200, 61, "kept", "y"), _event(201, 62, "k4"), clock_s=65)
    assert [draft.group for draft in collected(again).values()] == [("k4",)]
    assert correlator.left_out()["evicted"] == 53


def test_a_flood_of_values_pushes_out_the_oldest_of_its_own_key() -> None:
    bench = Bench(NO_LEARNING, lateness_ns=0)
    bench.settings = msgspec.structs.replace(bench.settings, max_candidates=20)
    correlator = bench.correlator()
    _process(bench, correlator, *(_event(n, n, "x", f"z{n}") for n in range(21)), clock_s=22)
    assert correlator.left_out() == Counter(evicted=2)
    outputs = _process(bench, correlator, *(_event(30 + n, 30 + n, "x", f"z{n}") for n in (20, 2, 1)), clock_s=90)
    assert [draft.steps[0].event_id for draft in collected(outputs).values()] == ["00000031"]


def test_events_without_a_value_are_counted() -> None:
    bench = Bench(NO_LEARNING, lateness_ns=0)
    correlator = bench.correlator()
    _process(bench, correlator, Arrival("e", 1, 1, {"event.action": "a", "source.ip": "x"}), clock_s=9)
    assert correlator.left_out() == Counter(valueless=1)


@settings(max_examples=200, deadline=None)
@given(
    seen=st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 20)), max_size=12),
    oldest_ns=st.integers(-1, 21),
    keep=st.one_of(st.none(), st.integers(0, 5)),
)
def test_every_value_is_remembered_as_a_table_would(
    seen: list[tuple[str, int]], oldest_ns: int, keep: int | None
) -> None:
    memory, table = EveryValue(), dict[str, int]()
    for value, time_ns in seen:
        changed = set(memory.note((value,), time_ns, NOT_YET))
        assert changed == ({value} if time_ns > table.get(value, -1) else set())
        table[value] = max(time_ns, table.get(value, time_ns))
        assert {each: memory.entry(each) for each in "abcde"} == {
            each: Sighting((each,), table[each]) if each in table else None for each in "abcde"
        }
        assert memory.last(0) == max((time_ns, value) for value, time_ns in table.items())[1]
        assert memory.filed_ns() == min(table.values())
    gone = set(memory.forget(oldest_ns, keep))
    fresh = sorted((time_ns, value) for value, time_ns in table.items() if time_ns >= oldest_ns)
    kept = fresh if keep is None else fresh[max(len(fresh) - keep, 0) :]
    assert {value for value in table if memory.entry(value) is not None} == {value for _, value in kept}
    assert gone == set(table) - {value for _, value in kept}
    assert len(memory) == len(kept)
