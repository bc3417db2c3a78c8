"""A run is a stretch in which a source was heard, in sync, without a gap; each end of one is told."""

from __future__ import annotations

from detector.runtime.stages.runs import Runs
from detector.task import Heard
from normalizers.event import EcsEvent

SECOND = 10**9


def event(status: str) -> EcsEvent:
    return EcsEvent("e", 0, 0, 0, "a", "d", {"convergence.clock.status": status})


def heard(last_s: int, start_s: int) -> Heard:
    return Heard("a", last_s * SECOND, start_s * SECOND)


def test_a_run_goes_on_up_to_its_expectation_and_ends_after_it() -> None:
    runs = Runs({"a": 60 * SECOND})
    for second in (0, 60, 120):
        runs.hear("a", second * SECOND, [])
    assert (runs.take(), runs.has_ended) == ((heard(120, 0),), False)
    runs.hear("a", 180 * SECOND + 1, [])
    assert runs.has_ended
    assert runs.take() == (heard(120, 0), Heard("a", 180 * SECOND + 1, 180 * SECOND + 1))
    assert runs.take() == ()


def test_a_clock_in_doubt_ends_it_and_a_record_without_time_does_not_begin_another() -> None:
    runs = Runs({"a": 60 * SECOND})
    runs.hear("a", 0, [event("synced")])
    runs.hear("a", 10 * SECOND, [event("synced"), event("stepped")])
    runs.hear("a", 20 * SECOND, [])
    assert runs.take() == (heard(0, 0),)
    runs.hear("a", 30 * SECOND, [event("estimated")])
    runs.hear("a", 40 * SECOND, [])
    assert runs.take() == (heard(40, 30),)


def test_who_covers_nothing_is_not_followed() -> None:
    runs = Runs({"a": 60 * SECOND})
    runs.hear("b", 0, [])
    assert runs.take() == ()
    assert list(runs.dirty()) == []


def test_a_run_outlives_a_restart() -> None:
    runs = Runs({"a": 60 * SECOND})
    runs.hear("a", 0, [])
    again = Runs({"a": 60 * SECOND})
    for key, state in runs.dirty():
        assert state is not None
        again.restore(key, state)
    again.hear("a", 50 * SECOND, [])
    assert again.take() == (heard(50, 0),)
