"""The line under all lags: what the shortest delays say of a clock's offset and drift."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

MAX_DRIFT = 200e-6
"""No crystal is worse; a steeper line is noise."""

LEAST_BUCKETS = 6
"""Fewer minima give a level, not a slope."""

_RECENT = 24
"""Minima whose distance from the line tells how well it fits (6 h of them)."""

_SHARE = 0.9
_LOWER = 0.7
_SPANS = (96, 24, 12)
"""Minima that a line is tried on: a day, and the hours in which a crystal's warming is straight."""

BEND_S = 0.5
"""Warming bends a clock by less than this in a day; where minima scatter more, only the longest memory helps."""

_LEVEL = 8
"""Minima of the level that a disciplined clock is taken to keep (2 h)."""

WANDER = 5e-6
"""Rate at which a clock that is slewed or warms up leaves a level, in s/s."""

_BETTER = 0.5
"""A shorter memory must promise a clearly smaller uncertainty: it forgets the lowest points."""


class Envelope(msgspec.Struct):
    """A line under the lags: ``at_s + slope * (x - x_s)``.

    Attributes:
        x_s: Where its level holds, in seconds since 1970.
        at_s: Lag there, in seconds.
        slope: Change of the lag, in s/s: the negative drift.
        spread_s: How far above it the minima lie.
        slope_error: Half-width of the slope, in s/s.
        method: `min`, `hull` or `ntp`.
        span: Minima that it was drawn on.
    """

    x_s: float
    at_s: float
    slope: float
    spread_s: float
    slope_error: float
    method: str
    span: int = 0

    def uncertainty_s(self, x_s: float) -> float:
        """Return the half-width of the line at a time, without the transport's own bound."""
        return self.spread_s + self.slope_error * max(x_s - self.x_s, 0.0)


def fit(xs: Sequence[float], ys: Sequence[float]) -> Envelope:
    """Choose the line or level with the least uncertainty at the last minimum.

    Args:
        xs: Times of the bucket minima, ascending; seconds.
        ys: Their lags, seconds; at least `LEAST_BUCKETS`.
    """
    xs, ys = list(xs), list(ys)
    now_s = xs[-1]
    best: Envelope | None = None
    for span in _SPANS:
        if best is not None and (len(xs) <= span or best.spread_s > BEND_S):
            continue
        line = fit_line(xs[-span:], ys[-span:])
        if best is None or line.uncertainty_s(now_s) < _BETTER * best.uncertainty_s(now_s):
            best = line
    level = fit_level(xs[-_LEVEL:], ys[-_LEVEL:])
    if best is None or (best.spread_s <= BEND_S and level.uncertainty_s(now_s) < _BETTER * best.uncertainty_s(now_s)):
        return level
    return best


def fit_level(xs: Sequence[float], ys: Sequence[float]) -> Envelope:
    """Take the lowest lag as the level."""
    lowest = min(range(len(ys)), key=ys.__getitem__)
    spread = _quantile(sorted(y - ys[lowest] for y in ys), _SHARE)
    return Envelope(xs[lowest], ys[lowest], 0.0, spread, WANDER, "min", len(xs))


def fit_line(xs: Sequence[float], ys: Sequence[float]) -> Envelope:
    """Take the edge of the lower hull over the mean time: of all lines under the points the nearest to them.

    Where minima scatter by the period of polls, its slope is averaged with that of a regression through the lower
    ones, which halves its error there.

    References:
        Moon, Skelly, Towsley: Estimation and removal of clock skew from network delay measurements, 1999.
    """
    hull = lower_hull(xs, ys)
    mean_s = sum(xs) / len(xs)
    edge = next(i for i in range(len(hull) - 1) if xs[hull[i + 1]] >= mean_s)
    slope = _slope(xs, ys, hull, edge)
    error = 0.0
    if 0 < edge < len(hull) - 2:
        error = (_slope(xs, ys, hull, edge + 1) - _slope(xs, ys, hull, edge - 1)) / 2
    line = _under(xs, ys, mean_s, slope)
    if line.spread_s > BEND_S:
        regressed = _regressed(xs, ys, mean_s)
        line = _under(xs, ys, mean_s, (slope + regressed) / 2)
        error = max(error, abs(slope - regressed) / 2)
    span_s = xs[-1] - xs[0]
    line.slope_error = min(max(error, 0.1 * line.spread_s / span_s), line.spread_s / span_s, MAX_DRIFT)
    return line


def lower_hull(xs: Sequence[float], ys: Sequence[float]) -> list[int]:
    """Return the indexes of the corners of the lower convex hull, left to right.

    Args:
        xs: Strictly ascending.
        ys: Values.
    """
    hull, slopes = [0], list[float]()
    for i in range(1, len(xs)):
        x, y = xs[i], ys[i]
        slope = (y - ys[hull[-1]]) / (x - xs[hull[-1]])
        while slopes and slope <= slopes[-1]:
            slopes.pop()
            hull.pop()
            slope = (y - ys[hull[-1]]) / (x - xs[hull[-1]])
        slopes.append(slope)
        hull.append(i)
    return hull


def _under(xs: Sequence[float], ys: Sequence[float], mean_s: float, slope: float) -> Envelope:
    """Put a line of a slope, held within `MAX_DRIFT`, under all points."""
    slope = max(-MAX_DRIFT, min(MAX_DRIFT, slope))
    levels = [y - slope * (x - mean_s) for x, y in zip(xs, ys, strict=True)]
    at_s = min(levels)
    spread_s = max(_quantile(sorted(levels[-_RECENT:]), _SHARE), min(levels[-2:])) - at_s
    return Envelope(mean_s, at_s, slope, spread_s, 0.0, "hull", len(xs))


def _regressed(xs: Sequence[float], ys: Sequence[float], mean_s: float) -> float:
    """Return the slope of the regression through the lower points: those below a first one's 70 % quantile."""
    times = [x - mean_s for x in xs]
    first = _regression(times, ys)
    above = [y - first * x for x, y in zip(times, ys, strict=True)]
    limit = _quantile(sorted(above), _LOWER)
    lower = [i for i, each in enumerate(above) if each <= limit]
    return _regression([times[i] for i in lower], [ys[i] for i in lower])


def _regression(xs: Sequence[float], ys: Sequence[float]) -> float:
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    apart = [x - mean_x for x in xs]
    return sum([x * (y - mean_y) for x, y in zip(apart, ys, strict=True)]) / sum([x * x for x in apart])


def _slope(xs: Sequence[float], ys: Sequence[float], hull: Sequence[int], edge: int) -> float:
    a, b = hull[edge], hull[edge + 1]
    return (ys[b] - ys[a]) / (xs[b] - xs[a])


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
