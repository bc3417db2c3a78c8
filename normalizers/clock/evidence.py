"""What is known of a clock beside its lags: bounds of its offset, by round trips and by pairs of events.

Between a line under the lags and the device's true offset lies the path's shortest delay, which stamps in one direction
cannot tell. A bound tells it, where it is narrower than what the policy and the scatter allow.
"""

from __future__ import annotations

from normalizers.clock import bounds
from normalizers.clock.envelope import MAX_DRIFT, WANDER
from normalizers.clock.policy import ClockPolicy
from normalizers.clock.state import ClockState, Narrowed, OffsetBound

KEPT = 16
"""Newest bounds that are remembered."""

AGREED = 3
"""A bound counts once so many say at least as much: one pair that was none, or one wrong answer, moves nothing."""

_BETWEEN_S = 900.0
"""What is narrowed stays so until the line is drawn anew, a quarter of an hour or so."""


def add_bound(state: ClockState, policy: ClockPolicy, bound: OffsetBound) -> None:
    """Remember a bound, and narrow what is known by all of them."""
    state.bounds = [*state.bounds, bound][-KEPT:]
    narrow(state, policy)


def narrow(state: ClockState, policy: ClockPolicy) -> None:
    """Work out anew what the bounds say; called when they or the line have changed.

    Both sides together are taken for themselves, as long as they meet the interval that the lags leave; where they
    contradict it or each other, the clock is less sure: the interval holds all of them. One side alone cuts the
    interval of the lags; where it contradicts that, it was no bound.
    """
    state.narrowed = None
    if len(state.bounds) < AGREED:
        return
    x = max(state.last_received_ns * 1e-9, state.bounds[-1].at_s)
    centre_s, half_s = bounds.centre_s(state, policy), bounds.half_width_s(state, policy, x)
    low_s, high_s = _agreed(state, x)
    least_s, most_s = max(low_s, centre_s - half_s), min(high_s, centre_s + half_s)
    is_met, is_whole = least_s <= most_s, max(-low_s, high_s) < float("inf")
    if is_met and is_whole and low_s <= high_s:
        least_s, most_s = low_s, high_s
    elif is_whole:
        least_s, most_s = min(low_s, high_s, centre_s - half_s), max(low_s, high_s, centre_s + half_s)
    elif not is_met:
        return
    found_s = (most_s - least_s) / 2 + 0.5e-9 * bounds.cell_ns(state)
    if found_s < half_s or not is_met:
        state.narrowed = Narrowed((least_s + most_s) / 2, found_s - bounds.growth_s(state, x))


def _agreed(state: ClockState, x: float) -> tuple[float, float]:
    """Return between what the offset lies above the line's, by the third tightest bound of either side."""
    line, lows, highs = state.line, list[float](), list[float]()
    # The slope of a line over few scattered minima is worse than its edges tell.
    steep = line.spread_s / (state.xs[-1] - state.xs[0]) if len(state.xs) > 1 else 0.0
    wander = max(line.slope_error, min(steep, MAX_DRIFT)) + WANDER
    for bound in state.bounds:
        level_s = line.at_s + line.slope * (bound.at_s - line.x_s)
        slack_s = wander * (abs(x - bound.at_s) + _BETWEEN_S)
        if bound.low_s is not None:
            lows.append(bound.low_s + level_s - slack_s)
        if bound.high_s is not None:
            highs.append(bound.high_s + level_s + slack_s)
    low_s = sorted(lows)[-AGREED] if len(lows) >= AGREED else float("-inf")
    high_s = sorted(highs)[AGREED - 1] if len(highs) >= AGREED else float("inf")
    return low_s, high_s
