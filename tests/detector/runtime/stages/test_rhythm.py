"""What is usual is learned by the hour of the week, and one outage does not change it much."""

from __future__ import annotations

import itertools

from detector.runtime.stages.rhythm import HOUR_NS, Rhythm

SECOND = 10**9
MINUTE = 60 * SECOND
FLOOR = 10 * MINUTE
WEEK = 168 * HOUR_NS


def office(weeks: int) -> list[int]:
    """Return the records of a source that speaks each four minutes from 6 to 18 h on five days of seven."""
    return [
        day * 24 * HOUR_NS + 6 * HOUR_NS + step * 4 * MINUTE
        for day in range(7 * weeks)
        if day % 7 < 5
        for step in range(15 * 12)
    ]


def learned(times: list[int], rhythm: Rhythm | None = None) -> Rhythm:
    rhythm = rhythm or Rhythm()
    for last_ns, now_ns in itertools.pairwise(times):
        rhythm.learn(last_ns, now_ns, since_ns=6 * HOUR_NS, floor_ns=FLOOR)
    return rhythm


def test_a_silence_by_day_is_told_after_the_floor() -> None:
    rhythm = learned(office(3))
    last_ns = 3 * WEEK + 10 * HOUR_NS
    assert rhythm.deadline_ns(last_ns, FLOOR) == last_ns + FLOOR


def test_a_usual_night_is_not_told_and_what_lasts_into_the_morning_is() -> None:
    rhythm = learned(office(3))
    evening_ns = 3 * WEEK + 17 * HOUR_NS + 55 * MINUTE
    assert rhythm.deadline_ns(evening_ns, FLOOR) == 3 * WEEK + (24 + 8) * HOUR_NS


def test_a_usual_weekend_is_not_told_and_what_lasts_into_monday_is() -> None:
    rhythm = learned(office(3))
    friday_ns = 3 * WEEK + 4 * 24 * HOUR_NS + 17 * HOUR_NS + 55 * MINUTE
    assert rhythm.deadline_ns(friday_ns, FLOOR) == 4 * WEEK + 8 * HOUR_NS


def test_a_source_that_speaks_once_a_week_is_never_silent() -> None:
    rhythm = learned([week * WEEK for week in range(5)])
    assert rhythm.deadline_ns(4 * WEEK, FLOOR) is None


def test_a_long_outage_is_learned_in_part_and_forgotten() -> None:
    times = office(3)
    rhythm = learned(times)
    noon = 3 * WEEK + 12 * HOUR_NS
    before = rhythm.deadline_ns(noon, FLOOR)
    learned([times[-1], 3 * WEEK + 6 * HOUR_NS, 3 * WEEK + 15 * HOUR_NS], rhythm)
    after = rhythm.deadline_ns(noon + WEEK, FLOOR)
    assert before == noon + FLOOR
    assert after is not None
    assert noon + WEEK + FLOOR < after <= noon + WEEK + 2 * 4 * FLOOR * 1.1
    back = 3 * WEEK + 15 * HOUR_NS
    learned([back, *(time_ns for time_ns in office(28) if time_ns > back)], rhythm)
    forgotten = rhythm.deadline_ns(noon + 25 * WEEK, FLOOR)
    assert forgotten is not None
    assert forgotten <= noon + 25 * WEEK + 1.2 * FLOOR


def test_its_state_is_168_bytes_and_comes_back_as_it_was() -> None:
    rhythm = learned(office(2))
    state = rhythm.snapshot()
    assert len(state) == 168
    assert Rhythm(state).deadline_ns(2 * WEEK, FLOOR) == rhythm.deadline_ns(2 * WEEK, FLOOR)


def test_a_gap_of_years_costs_no_more_than_a_week() -> None:
    rhythm = Rhythm()
    rhythm.learn(0, 50 * 365 * 24 * HOUR_NS, since_ns=0, floor_ns=FLOOR)
    assert rhythm.deadline_ns(50 * 365 * 24 * HOUR_NS, FLOOR) is None
