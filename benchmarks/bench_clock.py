"""How well the clock model finds offset, drift and steps, next to plain estimators on the same simulated events.

Run: ``python -m benchmarks.bench_clock [--runs 30] [--days 100]``. Errors are against the simulated truth; each figure
stands beside its aim. CPU time of one process.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.clock_peers import PEERS
from normalizers.clock.model import ClockModel
from tests.normalizers.clock.simulator import (
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

MS_NS = 10**6
KINDS = ("free running", "warming", "slewing")
STEPS = (30.0, -30.0, 300.0, -300.0, 3_600.0, -3_600.0)
STEP_FINDINGS = {"clock-stepped", "clock-zone-wrong", "clock-unsynced"}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One stream: a path, how often it speaks, how long it is watched, and what is asked of it."""

    path: Path
    per_hour: float
    hours: float = 24.0
    cell_ns: int = MS_NS
    aim_s: float

    def __str__(self) -> str:
        return f"{self.path.name}, {self.per_hour:g}/h"


CASES = (
    Case(path=LAN, per_hour=600, aim_s=0.05),
    Case(path=LAN, per_hour=60, aim_s=0.05),
    Case(path=HEAVY, per_hour=60, aim_s=0.05),
    Case(path=POLL_10, per_hour=60, cell_ns=NS, aim_s=0.5),
    Case(path=POLL_10, per_hour=6, hours=72, cell_ns=NS, aim_s=0.5),
    Case(path=POLL_60, per_hour=30, hours=72, cell_ns=NS, aim_s=30.0),
)


def device_of(draw: random.Random, case: Case, kind: str) -> Device:
    """Draw a device: offset up to 300 s, drift up to 60 ppm, or disciplined or warming by the day."""
    offset_s = draw.uniform(-300, 300)
    if kind == "slewing":
        return Device(offset_s=draw.uniform(-0.02, 0.02), slewing_s=0.02, cell_ns=case.cell_ns)
    warming = 5.0 if kind == "warming" else 0.0
    return Device(offset_s=offset_s, drift_ppm=draw.uniform(-60, 60), warming_ppm=warming, cell_ns=case.cell_ns)


def outages_of(draw: random.Random, hours: float) -> list[Outage]:
    """Half an hour of outage each two days, somewhere."""
    found = list[Outage]()
    for day in range(max(int(hours // 48), 1)):
        start_s = (day * 48 + draw.uniform(8, min(hours, 48) - 2)) * HOUR_S
        found.append(Outage(start_s, start_s + 1_800, pace_s=draw.choice((0.01, 0.5))))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--days", type=int, default=100)
    arguments = parser.parse_args()
    for kind in KINDS:
        print_accuracy(kind, arguments.runs)
    print_steps(arguments.runs)
    print_false(arguments.days)
    print_cost()


def print_accuracy(kind: str, runs: int) -> None:
    """Print offset errors at the end of the stream and how many events lie inside their uncertainty."""
    print(
        f"\n{kind:<31} {'p50 s':>7} {'p95 s':>7} {'aim':>5}        {'inside':>7} {'aim':>4}        {'half s':>7}"
        + "".join(f" {name:>14}" for name in PEERS)
        + "  (p95 s)"
    )
    for case in CASES:
        runs_of = [watch(case, kind, seed) for seed in range(runs)]
        p95 = quantile([each.error_s for each in runs_of], 0.95)
        share = sum(each.inside for each in runs_of) / sum(len(each.halves_s) for each in runs_of)
        half = quantile([half for each in runs_of for half in each.halves_s], 0.5)
        print(
            f"{case!s:<31} {quantile([each.error_s for each in runs_of], 0.5):>7.3f} {p95:>7.3f} {case.aim_s:>5g}"
            f" {mark(p95 <= case.aim_s)} {share:>7.2%} {'99%':>4} {mark(share >= 0.99)} {half:>7.3f}"
            + "".join(f" {quantile([each.peers_s[name] for each in runs_of], 0.95):>14.2f}" for name in PEERS)
        )


class Watched(msgspec.Struct, frozen=True):
    """What came of one stream."""

    error_s: float
    inside: int
    halves_s: list[float]
    peers_s: dict[str, float]


def watch(case: Case, kind: str, seed: int) -> Watched:
    """Show one device's events to the model and to its peers."""
    device, events = stream(case, kind, seed, case.hours)
    model = ClockModel(case.path.policy)
    readings = [model.observe(event.device_ns, event.received_ns) for event in events]
    inside = sum(
        abs(reading.time_ns - event.true_ns) <= reading.uncertainty_ns
        for reading, event in zip(readings, events, strict=True)
    )
    truth_s = error_of(device, events[-1])
    return Watched(
        abs(readings[-1].offset_ns / NS - truth_s),
        inside,
        [reading.uncertainty_ns / NS for reading in readings],
        {name: abs(peer(events) - truth_s) for name, peer in PEERS.items()},
    )


def stream(case: Case, kind: str, seed: int, hours: float) -> tuple[Device, list[Observed]]:
    """Return a device and its events, with half an hour of outage each two days."""
    draw = random.Random(seed)  # noqa: S311  a simulation, not a secret
    device = device_of(draw, case, kind)
    outages = outages_of(draw, hours)
    return device, simulate(device, case.path, per_hour=case.per_hour, hours=hours, seed=seed, outages=outages)


def print_steps(runs: int) -> None:
    """Print how many steps were found in time: within 10 events or 30 minutes."""
    print(
        f"\n{'steps':<31} {'size s':>7} {'found':>7} {'in time':>8} {'p50 min':>8} {'events':>7} {'size error s':>13}"
    )
    for case in CASES:
        for size_s in STEPS:
            found = [each for seed in range(runs) if (each := find_step(case, size_s, seed)) is not None]
            in_time = sum(each.minutes <= 30 or each.events <= 10 for each in found)
            print(
                f"{case!s:<31} {size_s:>7g} {len(found):>3}/{runs} {in_time:>4}/{runs} "
                f"{quantile([each.minutes for each in found], 0.5):>8.1f} "
                f"{quantile([each.events for each in found], 0.5):>7.0f} "
                f"{quantile([abs(each.size_s - size_s) for each in found], 0.5):>13.2f}"
            )


class Found(msgspec.Struct, frozen=True):
    """How long a step was not known, and the size it was found to have."""

    minutes: float
    events: int
    size_s: float


def find_step(case: Case, size_s: float, seed: int) -> Found | None:
    """Let a clock step after 36 h and wait 12 h for the finding."""
    draw = random.Random(seed + 1_000)  # noqa: S311  a simulation, not a secret
    device = msgspec.structs.replace(device_of(draw, case, "free running"), steps=((36 * HOUR_S, size_s),))
    events = simulate(device, case.path, per_hour=case.per_hour, hours=48, seed=seed)
    step_ns = START_NS + round(36 * HOUR_S) * NS
    model, after = ClockModel(case.path.policy), 0
    for event in events:
        after += event.true_ns >= step_ns
        finding = model.observe(event.device_ns, event.received_ns).finding
        if after and finding in STEP_FINDINGS and model.last_finding is not None:
            return Found((event.received_ns - step_ns) / NS / 60, after, model.last_finding.shift_ns / NS)
    return None


def print_false(days: int) -> None:
    """Print alarms about steps that never were."""
    print(f"\n{'false step alarms':<31} {'device-days':>12} {'alarms':>7} {'per 100':>8} {'aim':>4}")
    for case in CASES:
        alarms = sum(false_alarms(case, days))
        rate = 100 * alarms / days
        print(f"{case!s:<31} {days:>12} {alarms:>7} {rate:>8.2f} {1:>4} {mark(rate <= 1)}")


def false_alarms(case: Case, days: int) -> Iterator[int]:
    """Count alarms of devices that are watched for four days each, with outages."""
    for seed in range(days // 4):
        _, events = stream(case, KINDS[seed % 3], seed + 5_000, 96)
        model = ClockModel(case.path.policy)
        yield sum(model.observe(each.device_ns, each.received_ns).finding in STEP_FINDINGS for each in events)


def print_cost() -> None:
    """Print CPU time an event and bytes a source."""
    print(f"\n{'cost':<31} {'us/event':>9} {'aim':>4}        {'bytes':>7} {'aim':>7}")
    for case in CASES:
        device = Device(offset_s=12, drift_ppm=20, cell_ns=case.cell_ns)
        events = simulate(device, case.path, per_hour=case.per_hour, hours=240, seed=1)
        cost = min(_cpu(case, events) for _ in range(5))
        size = _bytes(case, events)
        print(f"{case!s:<31} {cost:>9.2f} {5:>4} {mark(cost <= 5)} {size:>7,} {10_000:>7,} {mark(size <= 10_000)}")


def _bytes(case: Case, events: Sequence[Observed]) -> int:
    model, size = ClockModel(case.path.policy), 0
    for number, event in enumerate(events):
        model.observe(event.device_ns, event.received_ns, sequence=event.sequence)
        if number % 50 == 0:
            size = max(size, len(model.snapshot()))
    return size


def _cpu(case: Case, events: Sequence[Observed]) -> float:
    model = ClockModel(case.path.policy)
    pairs = [(e.device_ns, e.received_ns) for e in events]
    start = time.process_time()
    for device_ns, received_ns in pairs:
        model.observe(device_ns, received_ns)
    return (time.process_time() - start) / len(pairs) * 1e6


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile; not a number of nothing."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1] if ordered else float("nan")


def mark(meets: bool) -> str:
    """Return whether an aim is met."""
    return "meets " if meets else "misses"


if __name__ == "__main__":
    main()
