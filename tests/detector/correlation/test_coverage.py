"""An absence counts when everyone who would have told was heard; otherwise it is said who was not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from detector.correlation.plan import CorrelationSettings, Expectations, Expected
from detector.task import EngineEvent, Heard, LogRecord, Output, PartitionClock, Unwatched
from tests.detector.correlation.driving import SECOND, Arrival, Bench, collected, rule

LATE = 10 * SECOND
ABSENCE = "type: absence\n  trigger: a\n  missing: [z]\n  timespan: 60s\n  group-by: [host.name]"
ONE = (Expected("one", 60 * SECOND, LATE, "plant"),)
TWO = (*ONE, Expected("two", 30 * SECOND, LATE, "plant"))
TRIGGER = Arrival("t", 100, 100, {"event.action": "a", "host.name": "h", "convergence.location.site": "plant"})
FAR_S = 1_000
"""Past every decision."""


class Clocked(msgspec.Struct):
    """Decides one absence, with what was heard of its sources."""

    expectations: Expectations
    coverage: str = "require"

    def decide(
        self,
        *heard: tuple[str, float, float],
        partitions: int = 1,
        trigger: Arrival = TRIGGER,
        away: Sequence[Unwatched] = (),
    ) -> list[Output]:
        """Return what follows when each run (source, start, last in seconds) came by a partition of its own turn.

        Each partition tells by itself when nobody listened.
        """
        bench = Bench(f"{rule('a', 'a')}---\n{rule('z', 'z')}---\ntitle: t\nname: t\ncorrelation:\n  {self._body}\n")
        bench.settings = CorrelationSettings(
            lateness_ns=lambda _rule: LATE, watched_from_ns=0, expectations=lambda _rule: self.expectations
        )
        correlator = bench.correlator(partitions)
        records: list[LogRecord] = [*bench.candidates(trigger)]
        for number, (source, start_s, last_s) in enumerate(heard):
            run = Heard(source, int(last_s * SECOND), int(start_s * SECOND))
            records.append(PartitionClock(number % partitions, int(last_s * SECOND), 0, (run,)))
        records += [PartitionClock(partition, 0, 0, (), tuple(away)) for partition in range(partitions)]
        records += [PartitionClock(partition, FAR_S * SECOND, 0) for partition in range(partitions)]
        return correlator.process(records)

    @property
    def _body(self) -> str:
        return f"{ABSENCE}\n  coverage: {self.coverage}"


def why(outputs: list[Output]) -> str | None:
    """Return what a coverage gap says; None when the absence alerts."""
    gaps = [each for each in outputs if isinstance(each, EngineEvent)]
    assert len(gaps) + len(collected(outputs)) == 1
    return str(gaps[0].fields["convergence.uncovered.why"]) if gaps else None


def test_a_source_that_was_heard_from_before_until_after_covers_it() -> None:
    outputs = Clocked(ONE).decide(("one", 100, 170))
    assert why(outputs) is None
    (draft,) = collected(outputs).values()
    assert draft.coverage == "full"


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ([], "one was not heard afterwards"),
        ([("one", 0, 159)], "one was not heard afterwards"),
        # Its last records may come ten seconds late: what it saw at the end could still be on its way.
        ([("one", 0, 169)], "one was not heard afterwards"),
        ([("one", 101, 400)], "one was not heard, in sync, all the while"),
        ([("one", 165, 400)], "one was not heard, in sync, all the while"),
        ([("one", 0, 130), ("one", 150, 400)], "one was not heard, in sync, all the while"),
    ],
)
def test_one_that_was_not_heard_throughout_does_not(heard: list[tuple[str, float, float]], expected: str) -> None:
    assert why(Clocked(ONE).decide(*heard)) == expected


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        (Expected("one", None), "one has no expectation"),
        (Expected("one", 61 * SECOND), "one is expected too seldom"),
        (None, "no source is known to report it"),
    ],
)
def test_one_whose_silence_proves_nothing_does_not_either(expected: Expected | None, says: str) -> None:
    assert why(Clocked((expected,) if expected else ()).decide(("one", 0, 900))) == says


def test_sources_in_several_partitions_must_all_have_been_heard() -> None:
    assert why(Clocked(TWO).decide(("one", 0, 200), ("two", 0, 200), partitions=2)) is None
    assert why(Clocked(TWO).decide(("one", 0, 200), ("two", 0, 120), partitions=2)) == "two was not heard afterwards"
    told = Clocked(TWO).decide(partitions=2)
    assert why(told) == "one was not heard afterwards; two was not heard afterwards"


def test_only_sources_of_the_triggers_site_and_those_of_no_site_are_asked() -> None:
    elsewhere = Expected("elsewhere", 30 * SECOND, LATE, "harbour")
    anywhere = Expected("anywhere", 30 * SECOND, LATE)
    assert why(Clocked((*ONE, elsewhere)).decide(("one", 0, 200))) is None
    assert why(Clocked((*ONE, anywhere)).decide(("one", 0, 200))) == "anywhere was not heard afterwards"
    homeless = msgspec.structs.replace(TRIGGER, fields={"event.action": "a", "host.name": "h"})
    told = Clocked((*ONE, elsewhere)).decide(("one", 0, 200), trigger=homeless)
    assert why(told) == "elsewhere was not heard afterwards"
    assert why(Clocked((elsewhere,)).decide(("one", 0, 200))) == "no source is known to report it"


@pytest.mark.parametrize(
    ("from_s", "to_s", "is_known"),
    [(20, 100, True), (20, 100.5, False), (130, 140, False), (169.5, 400, False), (170, 400, True)],
)
def test_nothing_is_known_of_a_time_in_which_nobody_listened(from_s: float, to_s: float, *, is_known: bool) -> None:
    away = Unwatched(int(from_s * SECOND), int(to_s * SECOND))
    for partitions in (1, 3):
        told = why(Clocked(ONE).decide(("one", 0, 900), away=[away], partitions=partitions))
        assert (told is None) is is_known
    if not is_known:
        assert told is not None
        assert told.startswith("nobody was listening from 1970-01-01T00:0")


def test_nothing_is_known_of_what_lies_before_the_first_start_of_any_partition() -> None:
    early, late = (Unwatched(None, begin_s * SECOND) for begin_s in (50, 101))
    assert why(Clocked(ONE).decide(("one", 0, 900), away=[early])) is None
    for away in ((early, late), (late, early)):
        told = why(Clocked(ONE).decide(("one", 0, 900), away=away))
        assert told == "nobody was listening before 1970-01-01T00:01:41Z"


@pytest.mark.parametrize(
    ("path", "is_asked"),
    [
        ("plant/east/lab", True),
        ("plant/east/lab/door-1", True),
        ("plant/east", True),
        ("plant", True),
        (None, True),
        ("plant/east/store", False),
        ("plant/west", False),
    ],
)
def test_a_sensor_of_another_room_is_not_asked(path: str | None, *, is_asked: bool) -> None:
    """One that reports of a room is asked about it, what lies in it, and places that it lies in."""
    sensor = Expected("sensor", 30 * SECOND, LATE, "plant", (("plant", "east", "lab"), ("plant", "east", "attic")))
    fields = dict(TRIGGER.fields) if path is None else {**TRIGGER.fields, "convergence.location.path": path}
    trigger = msgspec.structs.replace(TRIGGER, fields=fields)
    told = why(Clocked((*ONE, sensor)).decide(("one", 0, 200), trigger=trigger))
    assert told == ("sensor was not heard afterwards" if is_asked else None)


def test_report_says_what_could_not_be_checked() -> None:
    (draft,) = collected(Clocked(TWO, "report").decide(("one", 0, 200))).values()
    assert draft.coverage == "partial"
    expected = "nothing that was expected came within 60 s; not checked: two was not heard afterwards"
    assert draft.reason == expected


def test_ignore_asks_nobody() -> None:
    (draft,) = collected(Clocked(TWO, "ignore").decide()).values()
    assert draft.coverage is None


def test_runs_that_are_told_piece_by_piece_are_the_same_as_at_once() -> None:
    pieces = [("one", 0, last_s) for last_s in range(10, 210, 10)]
    assert why(Clocked(ONE).decide(*pieces)) is why(Clocked(ONE).decide(("one", 0, 200))) is None


def test_a_gap_names_its_rule_and_its_sources() -> None:
    (gap,) = [each for each in Clocked(TWO).decide() if isinstance(each, EngineEvent)]
    assert (gap.kind, gap.source, gap.time_ns) == ("coverage-gap", "one", 160 * SECOND)
    assert {path: value for path, value in gap.fields.items() if path != "rule.id"} == {
        "rule.name": "t",
        "convergence.uncovered.trigger": "t",
        "convergence.uncovered.reason": "silence",
        "convergence.uncovered.sources": ["one", "two"],
        "convergence.uncovered.why": "one was not heard afterwards; two was not heard afterwards",
        "convergence.location.site": "plant",
        "convergence.feed.depth": 1,
    }


@pytest.mark.parametrize(("depth", "count"), [(1, 1), (2, 1), (3, 0)])
def test_gaps_about_gaps_come_to_an_end(depth: int, count: int) -> None:
    trigger = msgspec.structs.replace(TRIGGER, fields={**TRIGGER.fields, "convergence.feed.depth": depth})
    told = Clocked(ONE).decide(trigger=trigger)
    assert [each.fields["convergence.feed.depth"] for each in told if isinstance(each, EngineEvent)] == [
        depth + 1
    ] * count


def test_candidates_later_than_the_lateness_are_counted_by_source() -> None:
    bench = Bench(f"{rule('a', 'a')}---\n{rule('z', 'z')}---\ntitle: t\nname: t\ncorrelation:\n  {ABSENCE}\n")
    correlator = bench.correlator()
    fields = {"event.action": "a", "host.name": "h"}
    arrivals = [Arrival(str(ready_s), 100, ready_s, {**fields}, source="far") for ready_s in (110, 110.5, 120)]
    correlator.process([each for arrival in arrivals for each in bench.candidates(arrival)])
    correlator.finish()
    assert correlator.late() == {"far": 2}
    assert not correlator.late()
