"""What is told of a source follows from its own records and the clock, however they are read."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.record import RawRecord, hashed_id
from detector.runtime.partitioner import partition_of
from detector.runtime.stages import silence
from detector.runtime.stages.rhythm import HOUR_NS
from detector.runtime.stages.silence import Silence, SilencePolicy
from detector.task import EngineEvent, Record, Unwatched
from normalizers.source import SourceProfile

SECOND = 10**9
WEEK = 168 * HOUR_NS
PROFILES = {
    "n": SourceProfile(id="n", expectation_ns=600 * SECOND),
    "a": SourceProfile(id="a", expectation_ns=60 * SECOND, collector="c", site="plant", host="panel-1"),
    "c": SourceProfile(id="c", expectation_ns=300 * SECOND),
}
POLICY = SilencePolicy(
    profile_of=lambda source: PROFILES.get(source) or SourceProfile(id=source),
    behind={"c": 1},
    named=frozenset(PROFILES),
)


def record(source: str, ready_s: float) -> Record:
    ready_ns = int(ready_s * SECOND)
    return Record(RawRecord(hashed_id(source, ready_ns), source, "zeek.conn", ready_ns, b""), ready_ns)


def told(records: Sequence[Record], clock_s: float, policy: SilencePolicy = POLICY) -> list[EngineEvent]:
    """Return what a partition with these records tells until its clock has come to a time."""
    fold = Silence(policy)
    for entry in records:
        fold.advance(entry.ready_ns)
        fold.hear(entry)
    fold.advance(int(clock_s * SECOND))
    return fold.take()


def test_silence_is_told_when_the_clock_has_passed_the_expectation_and_not_before() -> None:
    assert told([record("a", 100.25)], 160.25) == []
    (event,) = told([record("a", 100.25)], 160.250000001)
    assert (event.kind, event.source, event.time_ns) == ("source-silent", "a", 160_250_000_000)
    assert event.id == hashed_id("a", record("a", 100.25).record.id, "source-silent")
    assert event.fields == {
        "convergence.feed.collector": "c",
        "convergence.feed.dataset": "zeek.conn",
        "convergence.feed.expectation": "set",
        "convergence.feed.heard": "yes",
        "convergence.feed.last_heard": "1970-01-01T00:01:40Z",
        "convergence.feed.line": "c",
        "convergence.feed.named": "yes",
        "convergence.feed.role": "source",
        "convergence.feed.silent_s": 60,
        "convergence.location.site": "plant",
        "host.name": "panel-1",
    }


def at(second: float) -> int:
    return int(second * SECOND)


def test_a_source_that_was_never_heard_is_told_once_it_should_have_been() -> None:
    fold = Silence(POLICY, {"a": "zeek.conn"})
    assert fold.begin(at(1_000)) == Unwatched(None, at(1_000))
    fold.advance(at(1_060))
    assert fold.take() == []
    fold.advance(at(1_060) + 1)
    (event,) = fold.take()
    assert (event.kind, event.source, event.time_ns) == ("source-silent", "a", at(1_060))
    told = {path.removeprefix("convergence.feed."): value for path, value in event.fields.items()}
    assert (told["heard"], told["last_heard"], told["dataset"]) == ("never", "1970-01-01T00:16:40Z", "zeek.conn")
    fold.advance(at(9_000))
    fold.hear(record("a", 9_000))
    (back,) = fold.take()
    assert (back.kind, back.fields["convergence.feed.silent_s"]) == ("source-restored", 8_000)


def test_one_that_speaks_in_time_is_not() -> None:
    fold = Silence(POLICY, {"a": "zeek.conn"})
    fold.begin(at(1_000))
    fold.hear(record("a", 1_060))
    fold.advance(at(1_100))
    assert fold.take() == []


def test_time_in_which_nobody_listened_is_no_silence() -> None:
    fold = Silence(POLICY)
    fold.hear(record("a", 100))
    away = Unwatched(at(130), at(9_000))
    assert fold.listen(away) == away
    fold.advance(at(9_060))
    assert fold.take() == []
    fold.advance(at(9_061))
    (event,) = fold.take()
    assert event.time_ns == at(9_060)
    assert event.fields["convergence.feed.last_heard"] == "1970-01-01T00:01:40Z"
    assert event.fields["convergence.feed.silent_s"] == 60


def test_what_was_silent_before_is_told_with_the_restart() -> None:
    fold = Silence(POLICY)
    fold.hear(record("a", 100))
    fold.listen(Unwatched(at(161), at(9_000)))
    (event,) = fold.take()
    assert event.time_ns == at(160)
    fold.advance(at(99_000))
    assert fold.take() == []


def test_a_blink_is_none_for_coverage() -> None:
    fold = Silence(msgspec.structs.replace(POLICY, blink_ns=at(30)))
    assert fold.listen(Unwatched(at(100), at(130))) is None
    assert fold.listen(Unwatched(at(200), at(231))) is not None


def test_a_record_at_the_last_instant_keeps_it_from_being_silent() -> None:
    assert told([record("a", 100), record("a", 160)], 200) == []


def test_its_next_record_tells_both_when_nothing_else_moved_the_clock() -> None:
    events = told([record("a", 100), record("a", 500)], 500)
    assert [(each.kind, each.time_ns // SECOND) for each in events] == [
        ("source-silent", 160),
        ("source-restored", 500),
    ]
    assert events[1].fields["convergence.feed.silent_s"] == 400
    assert events[1].fields["convergence.feed.back"] == "; heard again at 1970-01-01T00:08:20Z, after 400 s"


def test_silence_is_told_once() -> None:
    fold = Silence(POLICY)
    fold.hear(record("a", 0))
    for second in range(0, 1_000, 10):
        fold.advance(second * SECOND)
    assert len(fold.take()) == 1


def test_a_collector_says_what_stands_behind_it() -> None:
    (event,) = told([record("c", 0)], 301)
    assert event.fields["convergence.feed.role"] == "collector"
    assert event.fields["convergence.feed.sources"] == 1
    assert event.fields["convergence.feed.collector"] == "c"


def test_a_source_without_expectation_is_learned_for_a_week_first() -> None:
    steady = [record("x", 60 * minute) for minute in range(60 * 24 * 8)]
    within = [entry for entry in steady if entry.ready_ns < WEEK - 3 * HOUR_NS]
    assert told(within, 8 * 24 * 3_600) == []
    (event,) = told(steady, 9 * 24 * 3_600)
    assert event.fields["convergence.feed.expectation"] == "learned"
    assert event.time_ns == steady[-1].ready_ns + 600 * SECOND


def test_nothing_is_learned_where_the_settings_say_so() -> None:
    policy = msgspec.structs.replace(POLICY, floor_ns=None)
    steady = [record("x", 60 * minute) for minute in range(60 * 24 * 8)]
    assert told(steady, 90 * 24 * 3_600, policy) == []


class Reading(msgspec.Struct):
    """One way of reading what came in."""

    partitions: int
    cuts: list[int]
    restarts: list[int]


def folds_of(partitions: int) -> list[Silence]:
    """Return empty folds; `n` is waited for in vain."""
    expected = [
        {source: "" for source in "acn" if partition_of(source, partitions) == place} for place in range(partitions)
    ]
    return [Silence(POLICY, each) for each in expected]


def read(records: Sequence[Record], reading: Reading, end_ns: int, away: Sequence[Unwatched] = ()) -> list[EngineEvent]:
    """Read records over partitions, with ticks after some of them and a restart after some.

    When nobody listened, every partition is told before the next record.
    """
    folds = folds_of(reading.partitions)
    waiting = list(away)
    stored: list[dict[bytes, bytes]] = [{} for _ in folds]
    events = list[EngineEvent]()
    for number, entry in enumerate(records):
        place = partition_of(entry.record.source, reading.partitions)
        while waiting and waiting[0].to_ns <= entry.ready_ns:
            told = waiting.pop(0)
            for fold in folds:
                fold.listen(told)
        folds[place].advance(entry.ready_ns)
        folds[place].hear(entry)
        if number in reading.cuts:
            for fold in folds:
                fold.advance(entry.ready_ns)
        if number in reading.restarts:
            for place, fold in enumerate(folds):
                events += fold.take()
                folds[place] = _restarted(fold, folds_of(reading.partitions)[place], stored[place])
    for fold in folds:
        fold.advance(end_ns)
        events += fold.take()
    return sorted(events, key=lambda each: each.id)


def _restarted(fold: Silence, again: Silence, stored: dict[bytes, bytes]) -> Silence:
    for key, value in fold.dirty():
        if value is None:
            stored.pop(key, None)
        else:
            stored[key] = value
    for key, state in sorted(stored.items(), reverse=True):
        again.restore(key, state)
    again.restored()
    return again


GAPS = st.sampled_from([1, 59, 60, 61, 300, 301, 599, 601, 3_000, 90_000])
STREAMS = st.lists(st.tuples(st.sampled_from("acx"), GAPS), min_size=1, max_size=60)
READINGS = st.builds(
    Reading,
    partitions=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 60), max_size=20),
    restarts=st.lists(st.integers(0, 60), max_size=6),
)


AWAY = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0.5, 20, 70, 4_000])), max_size=4)


@given(STREAMS, st.integers(0, 2), READINGS, AWAY)
@settings(deadline=None)
def test_partitions_ticks_and_restarts_change_nothing(
    stream: list[tuple[str, int]], weeks: int, reading: Reading, away: list[tuple[int, float]]
) -> None:
    """Each source takes its own steps; some streams begin with weeks in which `x` is learned.

    After some records nobody listens for a while: what comes meanwhile is not heard.
    """
    times = dict.fromkeys("acx", 0)
    records = [record("x", hour * 3_600) for hour in range(168 * weeks)]
    times["x"] = 168 * weeks * 3_600
    for source, gap_s in stream:
        times[source] += gap_s
        records.append(record(source, times[source]))
    records.sort(key=lambda each: (each.ready_ns, each.record.source))
    end_ns = records[-1].ready_ns + 2 * 24 * HOUR_NS
    stretches = [Unwatched(None, records[0].ready_ns)]
    for number, length_s in sorted(away):
        from_ns = records[min(number, len(records) - 1)].ready_ns + 1
        if from_ns >= stretches[-1].to_ns:
            stretches.append(Unwatched(from_ns, from_ns + at(length_s)))
    heard = [each for each in records if not any((a.from_ns or 0) <= each.ready_ns < a.to_ns for a in stretches)]
    expected = read(heard, Reading(1, [], []), end_ns, stretches)
    assert read(heard, reading, end_ns, stretches) == expected
    assert [each for each in expected if each.source == "n"]


def test_a_flood_of_invented_sources_pushes_out_no_named_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "MAX_SOURCES", 100)
    fold = Silence(POLICY)
    fold.hear(record("a", 0))
    for number in range(1_000):
        fold.hear(record(f"invented-{number}", 1))
    assert fold.forgotten == 901
    fold.advance(100 * SECOND)
    assert [event.source for event in fold.take()] == ["a"]
    assert sum(state is not None for _, state in fold.dirty()) == 100


def test_timers_stay_in_number_with_sources() -> None:
    fold = Silence(POLICY)
    for number in range(168 * 3):
        fold.hear(record("x", number * 3_600))
    start_s = 168 * 3 * 3_600
    for number in range(20_000):
        fold.advance((start_s + number * 601 - 1) * SECOND)
        fold.hear(record("x", start_s + number * 601))
    assert len(fold._timers) < 2_000
