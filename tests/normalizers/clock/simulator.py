"""Device clocks, the paths their events take and the outages of these, with the truth beside what arrives."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

import msgspec

from normalizers.clock.policy import ClockPolicy

NS = 10**9
HOUR_S = 3_600.0
DAY_S = 86_400.0
START_NS = 1_790_000_000 * NS
"""A day in September 2026."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A clock that runs wrong.

    Attributes:
        offset_s: Device minus true time at the start.
        drift_ppm: What it gains.
        warming_ppm: Amplitude of a daily swing of the drift by temperature.
        slewing_s: Amplitude of a saw-tooth, as an NTP client that is slewed makes it, each 2048 s.
        steps: (seconds after the start, shift in seconds).
        cell_ns: Stamps are cut to multiples of it.
    """

    offset_s: float = 0.0
    drift_ppm: float = 0.0
    warming_ppm: float = 0.0
    slewing_s: float = 0.0
    steps: Sequence[tuple[float, float]] = ()
    cell_ns: int = 10**6

    def offset_at(self, second: float) -> float:
        """Return device minus true time, seconds."""
        swing = self.warming_ppm * 1e-6 * DAY_S / math.tau * (1 - math.cos(math.tau * second / DAY_S))
        saw = self.slewing_s * (abs((second / 1024.0) % 2.0 - 1.0) * 2.0 - 1.0)
        stepped = sum(shift for at_s, shift in self.steps if second >= at_s)
        return self.offset_s + self.drift_ppm * 1e-6 * second + swing + saw + stepped


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """How events travel.

    Attributes:
        name: For tables.
        policy: What the model is told of it.
        floor_s: Least delay.
        scale_s: Mean of the ordinary delay above it.
        tail: Sigma of a log-normal delay instead, 0 for an exponential one.
        poll_s: Period of the polls, 0 when the device sends.
        late_share: Share of events delayed by 600 s in the mean.
    """

    name: str
    policy: ClockPolicy
    floor_s: float = 0.02
    scale_s: float = 0.02
    tail: float = 0.0
    poll_s: float = 0.0
    late_share: float = 0.01


LAN = Path(name="syslog LAN", policy=ClockPolicy())
HEAVY = Path(name="heavy tail", policy=ClockPolicy(), floor_s=0.05, scale_s=0.2, tail=1.2)
POLL_10 = Path(
    name="polled 10 s, 1 s stamps", policy=ClockPolicy("polled", 10.0), floor_s=0.05, scale_s=0.05, poll_s=10.0
)
POLL_60 = Path(
    name="polled 60 s, 1 s stamps", policy=ClockPolicy("gateway", 60.0), floor_s=0.2, scale_s=0.1, poll_s=60.0
)


class Observed(msgspec.Struct, frozen=True):
    """One event as it happened and as it arrived; UTC nanoseconds."""

    true_ns: int
    device_ns: int
    received_ns: int
    sequence: int


class Outage(msgspec.Struct, frozen=True):
    """A time without transport, after which all that was held back arrives at once.

    Attributes:
        from_s: Start, seconds after the start.
        until_s: End.
        pace_s: Time between two records of the backlog.
    """

    from_s: float
    until_s: float
    pace_s: float = 0.01


def simulate(
    device: Device, path: Path, *, per_hour: float, hours: float, seed: int, outages: Sequence[Outage] = ()
) -> list[Observed]:
    """Return events in the order in which they were received."""
    draw = random.Random(seed)  # noqa: S311  a simulation, not a secret
    phase_s = draw.random() * max(path.poll_s, 1.0)
    arrivals = list[tuple[float, float, int]]()
    free_s = 0.0
    for number, second in enumerate(_times(draw, per_hour, hours * HOUR_S)):
        arrival_s = second + _delay(draw, path)
        if path.poll_s:
            arrival_s += math.ceil((second - phase_s) / path.poll_s) * path.poll_s + phase_s - second
        outage = next((o for o in outages if o.from_s <= arrival_s < o.until_s), None)
        if outage is not None:
            free_s = max(free_s, outage.until_s) + outage.pace_s
            arrival_s = free_s + path.floor_s
        arrivals.append((arrival_s, second, number))
    arrivals.sort()
    return [_observed(device, *each) for each in arrivals]


def error_of(device: Device, observed: Observed) -> float:
    """Return the true offset of the device at an event, seconds."""
    return device.offset_at((observed.true_ns - START_NS) / NS)


def _times(draw: random.Random, per_hour: float, span_s: float) -> Iterator[float]:
    second = draw.expovariate(per_hour / HOUR_S)
    while second < span_s:
        yield second
        second += draw.expovariate(per_hour / HOUR_S)


def _delay(draw: random.Random, path: Path) -> float:
    late_s = draw.expovariate(1 / 600.0) if draw.random() < path.late_share else 0.0
    if path.tail:
        return path.floor_s + path.scale_s * draw.lognormvariate(0.0, path.tail) + late_s
    return path.floor_s + draw.expovariate(1 / path.scale_s) + late_s


def _observed(device: Device, arrival_s: float, second: float, number: int) -> Observed:
    true_ns = START_NS + round(second * NS)
    stamp_ns = true_ns + round(device.offset_at(second) * NS)
    return Observed(true_ns, stamp_ns // device.cell_ns * device.cell_ns, START_NS + round(arrival_s * NS), number)
