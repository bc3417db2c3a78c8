"""What is forgotten when there is too much: singles first, and never silently."""

from __future__ import annotations

import msgspec
import pytest

from detector.correlation.correlator import Correlator
from detector.task import EngineEvent, LogRecord, Output, PartitionClock
from tests.detector.correlation.driving import SECOND, Arrival, Bench, collected, rule

TEXT = (
    f"{rule('r_a', 'a')}---\n{rule('r_b', 'b')}---\ntitle: t\nname: t\ncorrelation:\n"
    "  group-by: [user.name]\n  timespan: 10m\n"
)
COUNT = f"{TEXT}  type: event_count\n  rules: [r_a]\n  condition: {{gte: 4}}\n"
ORDERED = f"{TEXT}  type: temporal_ordered\n  rules: [r_a, r_a, r_b]\n"
ABSENCE = f"{TEXT}  type: absence\n  trigger: r_a\n  missing: [r_b]\n"


def _event(name: str, user: str, time_s: float, action: str = "a") -> Arrival:
    return Arrival(name, time_s, time_s, {"event.action": action, "user.name": user})


def _flood(start_s: float, count: int) -> list[Arrival]:
    return [_event(f"f{n}", f"flood{n}", start_s + n / 100) for n in range(count)]


def _run(
    text: str, arrivals: list[Arrival], budget: int, *, finish: bool = True, batch: int = 7
) -> tuple[list[Output], Correlator]:
    bench = Bench(text, lateness_ns=0)
    bench.settings = msgspec.structs.replace(bench.settings, budget=budget)
    correlator = bench.correlator()
    outputs = list[Output]()
    for start in range(0, len(arrivals), batch):
        part = arrivals[start : start + batch]
        records: list[LogRecord] = [each for arrival in part for each in bench.candidates(arrival)]
        outputs += correlator.process([*records, PartitionClock(0, int(part[-1].ready_s * SECOND), 0)])
    return [*outputs, *(correlator.finish() if finish else ())], correlator


@pytest.mark.parametrize(("text", "last"), [(COUNT, "a"), (ORDERED, "b")])
def test_a_flood_of_keys_does_not_push_out_a_session_that_went_on(text: str, last: str) -> None:
    slow = [_event("s0", "slow", 0), _event("s1", "slow", 1), _event("s2", "slow", 2)]
    outputs, _ = _run(text, [*slow, *_flood(3, 500), _event("s3", "slow", 60, last)], budget=50)
    assert [draft.group for draft in collected(outputs).values()] == [("slow",)]


def test_an_open_episode_that_must_go_is_closed() -> None:
    sessions = [_event(f"{user}{n}", user, n, "a") for n in range(4) for user in ("x", "y")]
    outputs, _ = _run(COUNT, sessions, budget=7)
    drafts = collected(outputs).values()
    assert {draft.status for draft in drafts} == {"closed"}


def test_what_was_pushed_out_is_reported_once_an_hour() -> None:
    outputs, _ = _run(COUNT, _flood(0, 1_000), budget=50)
    reports = [each for each in outputs if isinstance(each, EngineEvent)]
    assert [(each.kind, each.fields["rule.id"]) for each in reports] == [("correlation-overflow", "t")]
    later, _ = _run(COUNT, [*_flood(0, 100), *_flood(4_000, 100)], budget=50)
    assert len([each for each in later if isinstance(each, EngineEvent)]) == 2


def test_within_the_budget_nothing_is_reported() -> None:
    outputs, _ = _run(COUNT, _flood(0, 50), budget=50)
    assert not any(isinstance(each, EngineEvent) for each in outputs)


def test_what_was_pushed_out_is_deleted_from_the_state() -> None:
    _, correlator = _run(COUNT, _flood(0, 300), budget=50, finish=False)
    entries = [(key, value) for key, value in correlator.dirty() if key.startswith(b"1\x1fc")]
    # The last one still waits for its turn.
    assert sum(value is not None for _, value in entries) == 51
    assert len({key for key, _ in entries}) == 300


def test_a_flood_of_triggers_loses_the_oldest_only() -> None:
    outputs, _ = _run(ABSENCE, _flood(0, 60), budget=50)
    assert len(collected(outputs)) == 50


def test_groups_are_forgotten_once_their_candidates_are_too_old() -> None:
    _, correlator = _run(COUNT, [*_flood(0, 200), _event("z", "z", 10_000)], budget=1_000)
    kept = correlator._levels[1]._groups["t"]
    assert (kept.candidates, len(kept.known)) == (0, 0)
