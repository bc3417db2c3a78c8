"""Bounds of a clock's offset by what is no lag: they narrow, and nobody makes them say more than is so."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normalizers.clock.evidence import KEPT
from normalizers.clock.model import ClockModel, ClockReading
from normalizers.clock.policy import ClockPolicy
from normalizers.clock.state import decode_state
from tests.normalizers.clock.simulator import (
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
    simulate,
)

Bounds = Callable[[Observed, random.Random], tuple[int | None, int | None]]


def round_trip(device: Device, *, lie_s: float = 0.0) -> Bounds:
    """Return what a `Date` header says of the device when each event is fetched."""

    def bounds(event: Observed, draw: random.Random) -> tuple[int, int]:
        took_ns = round((0.01 + draw.expovariate(20.0)) * NS)
        at_s = (event.received_ns - draw.randrange(took_ns) - START_NS) / NS
        date_ns = (START_NS + round((at_s + device.offset_at(at_s) + lie_s) * NS)) // NS * NS
        return date_ns - event.received_ns, date_ns + NS - (event.received_ns - took_ns)

    return bounds


def command(event: Observed, draw: random.Random) -> tuple[None, int]:
    """Return the bound of a command, by a right clock, up to 2 s before each event."""
    return None, event.device_ns - (event.true_ns - round(draw.random() * 2 * NS)) + NS


def watch(path: Path, events: Sequence[Observed], bounds: Bounds | None, every: int = 1) -> Iterator[ClockReading]:
    model, draw = ClockModel(path.policy), random.Random(3)  # noqa: S311  delays, not keys
    for number, event in enumerate(events):
        if bounds is not None and number % every == 0:
            low_ns, high_ns = bounds(event, draw)
            model.bound(event.received_ns, low_ns=low_ns, high_ns=high_ns)
        yield model.observe(event.device_ns, event.received_ns)


def covered(readings: Sequence[ClockReading], events: Sequence[Observed]) -> float:
    inside = [abs(r.time_ns - e.true_ns) <= r.uncertainty_ns for r, e in zip(readings, events, strict=True)]
    return sum(inside) / len(inside)


def half_s(readings: Sequence[ClockReading]) -> float:
    return median(each.uncertainty_ns for each in readings) / NS


DEVICES = (
    Device(offset_s=-173.0, drift_ppm=41.0, cell_ns=NS),
    Device(offset_s=20.0, drift_ppm=-30.0, warming_ppm=5.0, cell_ns=NS),
    Device(offset_s=12.0, steps=[(20 * HOUR_S, -40.0), (25 * HOUR_S, 95.0)], cell_ns=NS),
)


@pytest.mark.parametrize("device", DEVICES, ids=["drifting", "warming", "stepping"])
@pytest.mark.parametrize(("path", "narrower"), [(POLL_10, 0.45), (POLL_60, 0.2)], ids=["10 s", "60 s"])
def test_round_trips_narrow_what_polls_leave_open(device: Device, path: Path, narrower: float) -> None:
    outages = [Outage(10 * HOUR_S, 10.5 * HOUR_S)]
    events = simulate(device, path, per_hour=40, hours=30, seed=7, outages=outages)
    before, after = list(watch(path, events, None)), list(watch(path, events, round_trip(device)))
    assert half_s(after) < narrower * half_s(before)
    assert covered(after, events) >= 0.99
    assert [each.finding for each in after] == [each.finding for each in before]


def test_commands_before_their_events_bound_one_side() -> None:
    device = DEVICES[0]
    events = simulate(device, POLL_60, per_hour=40, hours=30, seed=7)
    before, after = list(watch(POLL_60, events, None)), list(watch(POLL_60, events, command, every=10))
    assert half_s(after[400:]) < 0.75 * half_s(before[400:])
    assert covered(after, events) >= 0.99


@pytest.mark.parametrize("lie_s", [-7.0, -3.0, 2.0, 5.0, 60.0, 86_400.0])
@pytest.mark.parametrize("every", [8, 50])
def test_now_and_then_a_wrong_answer_or_a_pair_that_was_none_moves_nothing(lie_s: float, every: int) -> None:
    device = DEVICES[0]
    events = simulate(device, POLL_10, per_hour=60, hours=26, seed=8)
    honest, lying = round_trip(device), round_trip(device, lie_s=lie_s)
    count = 0

    def bounds(event: Observed, draw: random.Random) -> tuple[int | None, int | None]:
        nonlocal count
        count += 1
        return lying(event, draw) if count % every == 0 else honest(event, draw)

    assert covered(list(watch(POLL_10, events, bounds)), events) >= 0.99


@pytest.mark.parametrize("lie_s", [-600.0, -20.0, 20.0, 600.0])
def test_answers_that_contradict_the_stamps_make_a_clock_less_sure(lie_s: float) -> None:
    """A device whose `Date` is another clock's, or a path whose shortest delay was taken for less than it is."""
    events = simulate(Device(), LAN, per_hour=60, hours=12, seed=9)
    before = list(watch(LAN, events, None))
    after = list(watch(LAN, events, round_trip(Device(), lie_s=lie_s)))
    assert covered(after, events) >= 0.99
    assert half_s(after) > abs(lie_s) / 2 - 1 > half_s(before)


def test_a_one_sided_contradiction_is_a_pair_that_was_none() -> None:
    events = simulate(Device(), LAN, per_hour=60, hours=12, seed=9)

    def never(event: Observed, _: random.Random) -> tuple[None, int]:
        return None, event.device_ns - event.true_ns - 5 * NS

    assert list(watch(LAN, events, never)) == list(watch(LAN, events, None))


def test_a_step_forgets_the_bounds_of_the_clock_before_it() -> None:
    events = simulate(Device(steps=[(10 * HOUR_S, -45.0)]), LAN, per_hour=60, hours=11, seed=3)
    model = ClockModel(LAN.policy)
    for event in events:
        if model.observe(event.device_ns, event.received_ns).finding:
            break
        model.bound(event.received_ns, low_ns=-NS, high_ns=NS)
        assert len(decode_state(model.snapshot()).bounds) <= KEPT
    state = decode_state(model.snapshot())
    assert (state.epoch, state.bounds, state.narrowed) == (1, [], None)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**12), 10**12),
            st.integers(1, 10**12),
            st.none() | st.integers(-(2**62), 2**62),
            st.none() | st.integers(-(2**62), 2**62),
        ),
        min_size=1,
        max_size=60,
    ),
    st.integers(0, 59),
    st.sampled_from([ClockPolicy(), ClockPolicy("polled", 10.0), ClockPolicy("gateway"), ClockPolicy("trusted")]),
)
def test_whatever_is_said_of_a_clock_restoring_changes_nothing(
    stamps: Sequence[tuple[int, int, int | None, int | None]], cut: int, policy: ClockPolicy
) -> None:
    model = other = ClockModel(policy)
    received_ns = START_NS
    for index, (lag_ns, later_ns, low_ns, high_ns) in enumerate(stamps):
        received_ns += later_ns
        if index == cut:
            other = ClockModel.restore(policy, model.snapshot())
        readings = list[ClockReading]()
        for each in (model, other) if index >= cut else (model,):
            each.bound(received_ns, low_ns=low_ns, high_ns=high_ns)
            readings.append(each.observe(received_ns - lag_ns, received_ns))
        assert readings[0] == readings[-1]
        assert readings[0].time_ns <= received_ns
        assert readings[0].uncertainty_ns >= 0
        assert other.snapshot() == model.snapshot() or index < cut


def test_the_state_stays_small() -> None:
    device = msgspec.structs.replace(DEVICES[1], offset_s=123.456)
    events = simulate(device, POLL_10, per_hour=120, hours=40, seed=1)
    model, draw = ClockModel(POLL_10.policy), random.Random(1)  # noqa: S311  delays
    bounds = round_trip(device)
    for event in events:
        low_ns, high_ns = bounds(event, draw)
        model.bound(event.received_ns, low_ns=low_ns, high_ns=high_ns)
        model.observe(event.device_ns, event.received_ns)
    assert len(model.snapshot()) <= 10_000
