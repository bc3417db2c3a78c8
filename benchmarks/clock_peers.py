"""Plain estimators of a clock's offset, on the same events."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from tests.normalizers.clock.simulator import NS, Observed


def mean_of_hour(events: Sequence[Observed]) -> float:
    """Estimate the offset as the mean of the last hour's differences."""
    end_ns = events[-1].received_ns - 3_600 * NS
    return -statistics.fmean((e.received_ns - e.device_ns) / NS for e in events if e.received_ns >= end_ns)


def ewma(events: Sequence[Observed]) -> float:
    """Estimate it as an exponentially weighted mean (weight 0.05)."""
    level = (events[0].received_ns - events[0].device_ns) / NS
    for event in events:
        level += 0.05 * ((event.received_ns - event.device_ns) / NS - level)
    return -level


def least_squares(events: Sequence[Observed]) -> float:
    """Estimate it as the regression line's value at the end."""
    start_ns = events[0].received_ns
    xs = [(e.received_ns - start_ns) / NS for e in events]
    ys = [(e.received_ns - e.device_ns) / NS for e in events]
    slope, intercept = statistics.linear_regression(xs, ys)
    return -(intercept + slope * xs[-1])


PEERS: dict[str, Callable[[Sequence[Observed]], float]] = {
    "mean 1 h": mean_of_hour,
    "EWMA": ewma,
    "least squares": least_squares,
}
