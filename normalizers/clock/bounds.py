"""Offset and its half-width, from the line under the lags and what the path adds."""

from __future__ import annotations

from typing import Literal

from normalizers.clock.envelope import LEAST_BUCKETS
from normalizers.clock.policy import LEAST_STEP_S, ClockPolicy
from normalizers.clock.resolution import believable
from normalizers.clock.state import ClockState

Status = Literal["synced", "estimated", "learning", "stepped", "unknown"]

FEW = 8
"""Events before which a stamp is left as it is: less is no evidence against a clock."""

_DAY_S = 86_400.0

UNSEEN = 10.0
"""The least of n residuals lies above the line by less than this many medians divided by n, in 99 % of cases."""

LEAST_SEEN = 5
_SURELY_UNSEEN = 28.0
"""And by this many in all but a millionth."""


def is_trusting(state: ClockState, policy: ClockPolicy) -> bool:
    """Tell whether the device's own time is believed: its policy says so and nothing has disproved it."""
    return policy.transport == "trusted" and state.epoch == 0


def cell_ns(state: ClockState) -> int:
    """Return the cell of the stamps, in ns."""
    return believable(state.cell_ns, state.count)


def centre_s(state: ClockState, policy: ClockPolicy) -> float:
    """Return how far the line is expected to lie above the true one: half the path's shortest delay.

    A clock that keeps step with the polls is always read in the same part of its cell: then it is a quarter of a cell
    more. What bounds of the offset leave is closer.
    """
    if state.narrowed is not None:
        return state.narrowed.centre_s
    cell_s = state.cell_ns * 1e-9
    in_step = policy.poll_s > 0 and abs(state.line.slope) * _DAY_S < cell_s / 2
    return policy.floor_s / 2 + (cell_s / 4 if in_step else 0.0)


def offset_s(state: ClockState, policy: ClockPolicy, x: float) -> float:
    """Return device minus true time at a time, in seconds."""
    line = state.line
    return centre_s(state, policy) - line.at_s - line.slope * (x - line.x_s)


def fixed_half_s(state: ClockState, policy: ClockPolicy) -> float:
    """Return the part of the half-width that changes only with the line and the bounds of the offset."""
    if state.narrowed is not None:
        return state.narrowed.half_s
    return policy.floor_s / 2 + 0.5e-9 * cell_ns(state) + state.line.spread_s + state.loose_s


def half_width_s(state: ClockState, policy: ClockPolicy, x: float) -> float:
    """Return the half-width around an undelayed event's corrected time, in seconds."""
    half_s = fixed_half_s(state, policy)
    if is_trusting(state, policy):
        return half_s
    return half_s + growth_s(state, x) + unseen_s(state) / max(state.count, LEAST_SEEN)


def unseen_s(state: ClockState) -> float:
    """Return what an epoch's events may not have shown of its line, in seconds, times their number."""
    return 0.0 if state.narrowed is not None else UNSEEN * state.reference.median_s


def growth_s(state: ClockState, x: float) -> float:
    """Return what the drift's error adds since the line's level was seen, in seconds."""
    return state.line.slope_error * max(x - state.line.x_s, 0.0)


def tolerance_s(state: ClockState, policy: ClockPolicy, x: float) -> float:
    """Return how far below the line an event may lie without proving that the clock went ahead, in seconds."""
    least_s = max(LEAST_STEP_S, 1.5e-9 * cell_ns(state))
    if is_trusting(state, policy):
        return least_s
    if state.count < FEW:
        return float("inf")
    seen = min(state.reference.size or state.count, state.count)
    return least_s + _SURELY_UNSEEN * state.reference.median_s / seen + state.loose_s + growth_s(state, x)


def least_step_s(state: ClockState, policy: ClockPolicy) -> float:
    """Return the smallest step that can be found, in seconds."""
    return max(LEAST_STEP_S, 1.5e-9 * cell_ns(state), policy.poll_s / 2)


def young_status(state: ClockState, policy: ClockPolicy) -> Status | None:
    """Return why an offset cannot be relied on yet, or any more; None when it can."""
    if state.is_unsynced:
        return "unknown"
    if not is_trusting(state, policy) and len(state.xs) < LEAST_BUCKETS:
        return "stepped" if state.epoch else "learning"
    return None
