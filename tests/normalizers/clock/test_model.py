"""What the clock model says of simulated clocks, and what it lets nobody make it say."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normalizers.clock.model import ClockModel, ClockReading
from normalizers.clock.policy import ClockPolicy
from tests.normalizers.clock.simulator import (
    DAY_S,
    HEAVY,
    HOUR_S,
    LAN,
    NS,
    POLL_10,
    POLL_60,
    START_NS,
    Device,
    Observed,
    Outage,
    Path,
    error_of,
    simulate,
)

DAY = int(DAY_S)
PATHS = (LAN, HEAVY, POLL_10, POLL_60)


def run(model: ClockModel, events: Iterable[Observed]) -> list[ClockReading]:
    return [model.observe(each.device_ns, each.received_ns) for each in events]


def covered(readings: Sequence[ClockReading], events: Sequence[Observed]) -> int:
    """Count events whose true time lies inside the reported uncertainty."""
    pairs = zip(readings, events, strict=True)
    return sum(abs(reading.time_ns - event.true_ns) <= reading.uncertainty_ns for reading, event in pairs)


def cell_of(path: Path) -> int:
    return NS if path.poll_s else 10**6


def calm(offset_s: float = 0.0, *, hours: float = 12, path: Path = LAN, seed: int = 3) -> list[Observed]:
    return simulate(Device(offset_s=offset_s, cell_ns=cell_of(path)), path, per_hour=60, hours=hours, seed=seed)


@pytest.mark.parametrize(
    ("path", "aim_s"), [(LAN, 0.05), (HEAVY, 0.05), (POLL_10, 0.5), (POLL_60, 30.0)], ids=lambda each: str(each)[:40]
)
@pytest.mark.parametrize("warming_ppm", [0.0, 5.0])
def test_after_a_day_offset_and_drift_are_known_and_truth_lies_inside(
    path: Path, aim_s: float, warming_ppm: float
) -> None:
    device = Device(offset_s=-173.4, drift_ppm=41.0, warming_ppm=warming_ppm, cell_ns=cell_of(path))
    events = simulate(device, path, per_hour=60, hours=25, seed=11, outages=[Outage(12 * HOUR_S, 12.5 * HOUR_S)])
    readings = run(ClockModel(path.policy), events)
    last = readings[-1]
    assert last.status == "estimated"
    assert abs(last.offset_ns / NS - error_of(device, events[-1])) <= aim_s
    assert abs(last.drift_ppm - 41.0) < 15
    assert covered(readings, events) >= 0.99 * len(events)
    assert {each.epoch for each in readings} == {0}
    assert all(each.finding is None for each in readings)


@pytest.mark.parametrize(("per_hour", "share"), [(60, 0.99), (6, 0.96)])
def test_a_clock_that_warms_up_stays_inside_its_uncertainty(per_hour: float, share: float) -> None:
    """A line over a day does not follow it; the minima that leave it say so, soon enough but for a seldom heard one."""
    device = Device(offset_s=20.0, drift_ppm=-30.0, warming_ppm=5.0)
    inside, count = 0, 0
    for seed in range(4):
        events = simulate(device, LAN, per_hour=per_hour, hours=48, seed=seed)
        inside += covered(run(ClockModel(LAN.policy), events), events)
        count += len(events)
    assert inside >= share * count


def test_a_disciplined_clock_is_synced_although_it_is_slewed() -> None:
    device = Device(slewing_s=0.02)
    last = run(ClockModel(LAN.policy), simulate(device, LAN, per_hour=60, hours=24, seed=5))[-1]
    assert last.status == "synced"
    assert abs(last.offset_ns) < 50 * 10**6


@pytest.mark.parametrize("size_s", [30.0, -30.0, 300.0, -300.0, 3_600.0, -3_600.0, 86_400.0])
def test_a_step_is_found_within_ten_events_and_covered_until_then(size_s: float) -> None:
    device = Device(offset_s=12.0, drift_ppm=20.0, steps=[(20 * HOUR_S, size_s)])
    events = simulate(device, LAN, per_hour=60, hours=30, seed=21)
    model = ClockModel(LAN.policy)
    readings = run(model, events)
    first = next(i for i, each in enumerate(events) if each.true_ns >= START_NS + 20 * 3_600 * NS)
    decided = next(i for i, each in enumerate(readings) if each.finding)
    assert first <= decided <= first + 9
    assert readings[decided].finding == ("clock-stepped" if abs(size_s) < 900 else "clock-zone-wrong")
    for event, reading in zip(events[first:], readings[first:], strict=True):
        assert abs(reading.time_ns - event.true_ns) <= reading.uncertainty_ns
    assert readings[decided].status == "stepped"
    assert readings[decided].epoch == 1
    assert [each.finding for each in readings if each.finding][1:] == ["clock-recovered"]
    closed = model.epochs[0]
    assert abs(closed.offset_ns / NS - 12.0 - 20e-6 * 20 * HOUR_S) < 0.1
    assert closed.until_ns == events[decided].received_ns


def test_the_finding_says_how_far_and_since_when_events_are_in_doubt() -> None:
    events = simulate(Device(steps=[(20 * HOUR_S, -45.0)]), LAN, per_hour=60, hours=21, seed=4)
    model = ClockModel(LAN.policy)
    before = START_NS
    for event in events:
        if model.observe(event.device_ns, event.received_ns).finding:
            break
        if event.true_ns < START_NS + 20 * 3_600 * NS:
            before = event.received_ns
    found = model.last_finding
    assert found is not None
    assert (found.kind, found.cause, found.epoch, found.explained) == ("clock-stepped", "step", 1, False)
    assert found.shift_ns == pytest.approx(-45 * NS, abs=NS)
    assert abs(found.from_ns - before) < NS
    model.announce(found.from_ns - 60 * NS)
    explained = model.last_finding
    assert explained is not None
    assert explained.explained


@pytest.mark.parametrize("path", PATHS, ids=lambda each: each.name)
@pytest.mark.parametrize("pace_s", [0.01, 0.5, 3.0])
def test_an_outage_with_its_backlog_is_no_step(path: Path, pace_s: float) -> None:
    outages = [Outage(h * HOUR_S, (h + 0.7) * HOUR_S, pace_s) for h in (7, 15, 22)]
    for per_hour in (30, 400):
        events = simulate(
            Device(offset_s=5.0, cell_ns=cell_of(path)), path, per_hour=per_hour, hours=24, seed=8, outages=outages
        )
        assert not any(each.finding for each in run(ClockModel(path.policy), events))


def test_device_time_that_runs_back_while_its_sequence_advances_is_proof_at_once() -> None:
    events = calm(hours=3)
    model = ClockModel(LAN.policy)
    for event in events[:-1]:
        model.observe(event.device_ns, event.received_ns, sequence=event.sequence)
    last = events[-1]
    reading = model.observe(last.device_ns - 600 * NS, last.received_ns, sequence=last.sequence)
    assert reading.finding == "clock-stepped"
    assert model.last_finding is not None
    assert model.last_finding.cause == "backwards"
    assert abs(reading.time_ns - last.true_ns) <= reading.uncertainty_ns


def test_events_from_the_future_prove_a_step_with_the_third() -> None:
    model = ClockModel(LAN.policy)
    events = calm(path=msgspec.structs.replace(LAN, late_share=0.0))
    run(model, events[:-3])
    readings = [model.observe(each.device_ns + 20 * NS, each.received_ns) for each in events[-3:]]
    assert [each.finding for each in readings] == [None, None, "clock-stepped"]
    assert all(each.time_ns <= event.received_ns for each, event in zip(readings, events[-3:], strict=True))
    assert all(each.uncertainty_ns >= 19 * NS for each in readings[:2])


@pytest.mark.parametrize(
    ("offset_s", "cause"), [(7_200.0, "zone"), (-5 * 3_600.0, "zone"), (86_400.0, "day"), (-3_600.0, "zone")]
)
def test_whole_steps_are_corrected_from_the_start(offset_s: float, cause: str) -> None:
    model = ClockModel(LAN.policy)
    events = calm(offset_s + 2.0, hours=1)
    readings = run(model, events)
    assert [each.finding for each in readings if each.finding] == ["clock-zone-wrong"]
    assert model.last_finding is not None
    assert model.last_finding.cause == cause
    assert all(abs(r.time_ns - e.true_ns) < 5 * NS for r, e in zip(readings[3:], events[3:], strict=True))


@pytest.mark.parametrize("year", [1970, 1980, 2000])
def test_a_clock_that_lost_its_battery_is_told_by_its_year(year: int) -> None:
    model = ClockModel(LAN.policy)
    reset = round(datetime(year, 1, 1, 0, 3, tzinfo=UTC).timestamp()) - START_NS // NS
    readings = run(model, calm(reset + 0.5, hours=1))
    assert readings[0].finding == "clock-zone-wrong"
    assert model.last_finding is not None
    assert model.last_finding.cause == "rtc-reset"


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize(
    ("zone", "late_s", "cause"),
    [
        ("Europe/Berlin", 0, "dst"),
        ("Europe/Berlin", 6_000, "dst"),
        ("Europe/Berlin", 3 * 3_600, "zone"),
        ("Asia/Tokyo", 0, "zone"),
        (None, 0, "zone"),
    ],
)
def test_an_hour_at_the_sites_change_of_time_is_called_so(
    zone: str | None, late_s: int, cause: str, numbered: bool
) -> None:
    """Within two hours of it; also when the device's numbers prove that its time went back."""
    change = round(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()) - START_NS // NS + late_s
    device = Device(steps=[(float(change), -3_600.0)])
    events = simulate(device, LAN, per_hour=60, hours=change / HOUR_S + 1, seed=9)
    model = ClockModel(ClockPolicy(zone=zone))
    found = list[tuple[str, str, int]]()
    for each in events[-600:]:
        reading = model.observe(each.device_ns, each.received_ns, sequence=each.sequence if numbered else None)
        if reading.finding is not None and model.last_finding is not None:
            found.append((reading.finding, model.last_finding.cause, model.last_finding.epoch))
    assert found == [("clock-zone-wrong", cause, 1)]


def test_an_hour_lost_by_a_seldom_heard_device_is_found_within_ten_events() -> None:
    """A long silence before it may have been an outage, but no backlog comes at the pace of a day."""
    found = 0
    for seed in range(20):
        device = Device(offset_s=7.0, drift_ppm=20.0, steps=[(36 * HOUR_S, -3_600.0)], cell_ns=NS)
        events = simulate(device, POLL_10, per_hour=6, hours=44, seed=seed)
        after = sum(each.true_ns < START_NS + 36 * 3_600 * NS for each in events)
        readings = run(ClockModel(POLL_10.policy), events)
        found += any(each.epoch for each in readings[after : after + 10])
        assert not any(each.epoch for each in readings[:after])
    assert found >= 19


def test_a_trusted_device_is_believed_when_it_is_late_and_not_when_it_is_ahead() -> None:
    model = ClockModel(ClockPolicy("trusted"))
    events = simulate(Device(), LAN, per_hour=60, hours=5, seed=2, outages=[Outage(HOUR_S, 3 * HOUR_S)])
    readings = run(model, events)
    assert all(each.status == "synced" and each.uncertainty_ns < 100 * 10**6 for each in readings)
    ahead = [model.observe(each.device_ns + 60 * NS, each.received_ns + 36_000 * NS) for each in calm(36_000.0)]
    assert any(each.finding == "clock-stepped" for each in ahead[:4])


def test_first_stamps_are_kept_and_their_uncertainty_reaches_to_the_receipt() -> None:
    event = calm(-40.0)[0]
    reading = ClockModel(LAN.policy).observe(event.device_ns, event.received_ns)
    assert reading.status == "learning"
    assert reading.time_ns == event.device_ns
    assert reading.uncertainty_ns >= event.received_ns - event.device_ns


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2**62), st.integers(1, 10**13), st.none() | st.integers(0, 10)),
        min_size=1,
        max_size=80,
    ),
    st.integers(0, 79),
    st.sampled_from([ClockPolicy(), ClockPolicy("polled", 10.0), ClockPolicy("gateway"), ClockPolicy("trusted")]),
)
def test_whatever_comes_restoring_at_any_record_changes_nothing(
    stamps: Sequence[tuple[int, int, int | None]], cut: int, policy: ClockPolicy
) -> None:
    model = other = ClockModel(policy)
    received_ns = START_NS
    for index, (device_ns, later_ns, sequence) in enumerate(stamps):
        received_ns += later_ns
        if index == cut:
            other = ClockModel.restore(policy, model.snapshot())
        reading = model.observe(device_ns, received_ns, sequence=sequence)
        assert reading.time_ns <= received_ns
        assert reading.uncertainty_ns >= 0
        if index >= cut:
            assert other.observe(device_ns, received_ns, sequence=sequence) == reading
            assert other.snapshot() == model.snapshot()


@pytest.mark.parametrize("path", PATHS, ids=lambda each: each.name)
def test_restoring_at_every_record_of_a_stepping_clock_changes_nothing(path: Path) -> None:
    device = Device(offset_s=9.0, drift_ppm=30.0, steps=[(9 * HOUR_S, 95.0), (14 * HOUR_S, -95.0)])
    events = simulate(device, path, per_hour=60, hours=20, seed=6, outages=[Outage(5 * HOUR_S, 5.5 * HOUR_S)])
    model = ClockModel(path.policy)
    expected = run(model, events)
    state = ClockModel(path.policy).snapshot()
    for event, reading in zip(events, expected, strict=True):
        restored = ClockModel.restore(path.policy, state)
        assert restored.observe(event.device_ns, event.received_ns) == reading
        state = restored.snapshot()
        assert len(state) <= 10_000
    assert state == model.snapshot()


def test_a_day_of_stamps_from_the_far_future_ends_as_it_began() -> None:
    model = ClockModel(LAN.policy)
    events = calm(hours=72)
    readings = list[ClockReading]()
    for event in events:
        forged = 20 * HOUR_S < (event.true_ns - START_NS) / NS < 44 * HOUR_S
        readings.append(model.observe(event.device_ns + forged * 400 * int(DAY_S) * NS, event.received_ns))
    assert [each.finding for each in readings if each.finding] == ["clock-stepped", "clock-recovered"] * 2
    assert abs(readings[-1].offset_ns) < 50 * 10**6
    assert all(
        abs(r.time_ns - e.true_ns) <= r.uncertainty_ns for r, e in zip(readings[-60:], events[-60:], strict=True)
    )


def test_one_stamp_from_the_future_moves_nothing() -> None:
    model = ClockModel(LAN.policy)
    events = calm()
    readings = run(model, events[:600])
    model.observe(events[600].device_ns + 900 * int(DAY_S) * NS, events[600].received_ns)
    after = run(model, events[601:])
    assert all(each.epoch == 0 and each.finding is None for each in after)
    assert abs(after[-1].offset_ns - readings[-1].offset_ns) < 10**7


def test_random_stamps_are_told_once_and_never_believed() -> None:
    draw = random.Random(1)  # noqa: S311  stamps, not keys
    model = ClockModel(LAN.policy)
    events = calm(hours=24)
    readings = [model.observe(e.device_ns + draw.randint(-DAY, DAY) * NS, e.received_ns) for e in events]
    assert readings[-1].status == "unknown"
    assert [each.finding for each in readings if each.finding].count("clock-unsynced") == 1
    assert covered(readings, events) >= 0.99 * len(events)


def test_an_event_a_week_never_claims_more_than_it_knows() -> None:
    device = Device(offset_s=30.0, drift_ppm=50.0)
    model = ClockModel(LAN.policy)
    for week in range(60):
        second = week * 7 * DAY_S
        true_ns = START_NS + round(second * NS)
        reading = model.observe(true_ns + round(device.offset_at(second) * NS), true_ns + 30 * 10**6)
        assert abs(reading.time_ns - true_ns) <= reading.uncertainty_ns
        assert reading.status == "learning"
        assert reading.finding is None


def test_epochs_follow_each_other_without_a_gap() -> None:
    device = Device(steps=[(10 * HOUR_S, 40.0), (20 * HOUR_S, -90.0), (30 * HOUR_S, 400.0)])
    model = ClockModel(LAN.policy)
    readings = run(model, simulate(device, LAN, per_hour=60, hours=40, seed=13))
    assert readings[-1].epoch == 3
    assert all(before.until_ns == after.from_ns for before, after in pairwise(model.epochs))
    assert msgspec.structs.asdict(model.epochs[1])["number"] == 1
