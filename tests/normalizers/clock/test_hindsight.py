"""What is known of clocks afterwards: where it holds, and what decides where it is known twice."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec
import pytest

from normalizers.clock.hindsight import Hindsight, LookBack, Stretch
from normalizers.clock.model import ClockModel
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


def looked_back(path: Path, events: Sequence[Observed], *, numbered: bool = True) -> list[Stretch]:
    look = LookBack("s", path.policy)
    for each in events:
        look.observe(each.device_ns, each.received_ns, each.sequence if numbered else None)
    return look.stretches()


@pytest.mark.parametrize("path", [LAN, POLL_10, POLL_60], ids=lambda each: each.name)
@pytest.mark.parametrize("warming_ppm", [0.0, 5.0])
def test_afterwards_every_event_is_dated_also_those_that_were_in_doubt(path: Path, warming_ppm: float) -> None:
    """Errors are no larger than at the time, and the first events and those after a step are dated as the others."""
    steps = [(10 * HOUR_S, -240.0), (20 * HOUR_S, 95.0), (30 * HOUR_S, -3_600.0)]
    cell_ns = NS if path.poll_s else 10**6
    device = Device(offset_s=77.0, drift_ppm=-30.0, warming_ppm=warming_ppm, steps=steps, cell_ns=cell_ns)
    outages = [Outage(15 * HOUR_S, 15.5 * HOUR_S)]
    events = simulate(device, path, per_hour=60, hours=40, seed=5, outages=outages)
    model = ClockModel(path.policy)
    online = [model.observe(each.device_ns, each.received_ns) for each in events]
    stretches = looked_back(path, events)
    known = Hindsight(stretches)
    found = [known.find("s", each.device_ns, received_ns=each.received_ns, sequence=each.sequence) for each in events]
    assert sum(each is None for each in found) <= 2
    pairs = [(each.read(e.device_ns, e.received_ns), e) for each, e in zip(found, events, strict=True) if each]
    assert sum(abs(r.time_ns - e.true_ns) <= r.uncertainty_ns for r, e in pairs) >= 0.99 * len(events)
    assert all(r.time_ns <= e.received_ns for r, e in pairs)
    late = statistics.quantiles([abs(r.time_ns - e.true_ns) for r, e in zip(online, events, strict=True)], n=100)
    assert statistics.quantiles([abs(r.time_ns - e.true_ns) for r, e in pairs], n=100)[94] <= late[94]
    assert {each.epoch for each in stretches} == {0, 1, 2, 3}
    assert all(each.received_until_ns - each.received_from_ns <= 6.5 * HOUR_S * NS for each in stretches)


def test_an_erratic_clock_and_a_few_events_leave_nothing() -> None:
    events = simulate(Device(), LAN, per_hour=60, hours=24, seed=2)
    wild = [msgspec.structs.replace(each, device_ns=each.device_ns + each.sequence % 7 * 5_000 * NS) for each in events]
    assert all(each.received_until_ns < wild[900].received_ns for each in looked_back(LAN, wild))
    assert looked_back(LAN, events[:7]) == []
    assert looked_back(LAN, []) == []


def stretch(epoch: int, from_s: int, until_s: int, offset_s: int, numbers: tuple[int, int] | None = None) -> Stretch:
    low, high = numbers or (None, None)
    return Stretch(
        source="s",
        epoch=epoch,
        received_from_ns=from_s * NS,
        received_until_ns=until_s * NS,
        device_from_ns=(from_s + offset_s) * NS,
        device_until_ns=(until_s + offset_s) * NS,
        sequence_from=low,
        sequence_until=high,
        at_ns=from_s * NS,
        offset_ns=offset_s * NS,
        drift_ppm=0.0,
        uncertainty_ns=10**8,
    )


SET_BACK = (stretch(0, 0, 1_000, 0, (1, 50)), stretch(1, 1_000, 2_000, -300, (51, 99)))
"""Stamps of 700 s to 1000 s came twice."""


@pytest.mark.parametrize(
    ("device_s", "received_s", "sequence", "epoch"),
    [
        (699, None, None, 0),
        (800, None, None, 1),
        (800, None, 20, 0),
        (800, None, 60, 1),
        (800, None, 1_000, 1),
        (800, 801, None, 0),
        (800, 801, 60, 0),
        (800, 1_100, None, 1),
        (1_001, None, 20, 1),
        (1_701, None, None, None),
        (-1, None, None, None),
    ],
)
def test_where_epochs_overlap_the_sequence_decides_then_the_newest(
    device_s: int, received_s: int | None, sequence: int | None, epoch: int | None
) -> None:
    received_ns = None if received_s is None else received_s * NS
    for given in (SET_BACK, SET_BACK[::-1]):
        found = Hindsight(given).find("s", device_s * NS, received_ns=received_ns, sequence=sequence)
        assert (None if found is None else found.epoch) == epoch
    assert Hindsight(SET_BACK).find("other", device_s * NS) is None


def test_no_time_lies_after_the_receipt_and_what_is_cut_is_uncertain() -> None:
    reading = SET_BACK[1].read(800 * NS, 1_099 * NS)
    assert (reading.time_ns, reading.uncertainty_ns, reading.offset_ns) == (1_099 * NS, NS + 10**8, -300 * NS)
    assert (reading.status, reading.epoch) == ("estimated", 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"received_until_ns": -1},
        {"device_until_ns": -(2**60)},
        {"uncertainty_ns": -1},
        {"drift_ppm": float("nan")},
        {"drift_ppm": float("inf")},
        {"cell_ns": 0},
    ],
    ids=str,
)
def test_what_no_clock_can_be_is_refused(wrong: dict[str, object]) -> None:
    given = msgspec.to_builtins(SET_BACK[0]) | wrong
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, Stretch)


def test_a_step_in_an_outage_is_told_by_the_numbers_of_its_backlog() -> None:
    """The device's time of half an hour comes twice, all of it late; one step is found, at the first event after it."""
    device = Device(steps=[(10 * HOUR_S, -1_800.0)])
    events = simulate(device, LAN, per_hour=60, hours=20, seed=4, outages=[Outage(9 * HOUR_S, 11 * HOUR_S)])
    model = ClockModel(LAN.policy)
    readings = [model.observe(each.device_ns, each.received_ns, sequence=each.sequence) for each in events]
    assert [each.finding for each in readings if each.finding] == ["clock-stepped", "clock-recovered"]
    known = Hindsight(looked_back(LAN, events))
    for each in events:
        found = known.find("s", each.device_ns, received_ns=each.received_ns, sequence=each.sequence)
        assert found is not None
        assert found.epoch == (each.true_ns >= START_NS + 10 * 3_600 * NS)
        reading = found.read(each.device_ns, each.received_ns)
        assert abs(reading.time_ns - each.true_ns) <= reading.uncertainty_ns
