"""Whether residuals have risen for good: a clock set back, told from queues and backlogs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from normalizers.clock.envelope import Envelope
from normalizers.clock.policy import SLACK_S, ClockPolicy
from normalizers.clock.state import PAGE, ClockState, Reference

BURST_S = 2.0
BURST = 4
"""Of the events of 2 s only the first four are looked at: what a queue holds back arrives as a burst."""

KEPT = 256
"""Thinned events that the reference is drawn from."""

_SLACK = PAGE
"""They are cut back to `KEPT` a page at a time, so that an append stays cheap."""

ENOUGH = 20
"""Residuals from which the reference is trusted instead of the policy."""

_REFRESH = 64
SOONEST = 8
"""Thinned events after which it is drawn anew; `SOONEST` while it is small."""

_SMALL = 64

_SAMPLES = (5, 8, 12, 20, 40)
"""Sizes of the samples of newest events that are tried."""

_RISE = 2.3
"""Log likelihood of a residual above the usual ones: 5 % are before a step, half after the least one looked for."""

_RISE_LATE = 3.9
"""And of one that the path does not explain either: 1 % are."""

_DECIDED = 13.8
"""Four late or six unusual ones in a row (p = 1e-8), or as much in a longer sample."""

_SPAN_S = 30.0
"""A sample is gathered over this long at least: a step lasts, a burst does not."""

_LONG_GAP = 5.0
"""A silence longer than so many mean gaps between events is taken for an outage of the path."""

_LATE_SPAN_S = 10.0
"""Its newer half over this long."""

_FALL = 0.25
"""Lags that fall by more than this part of the time in which they were received belong to a backlog."""

_TIGHT = 0.5
"""And the residuals agree: their interquartile range is at most this part of the shift, or one poll."""

_PARALLEL = 0.5
"""The low end must have moved by this part of the median's shift: queues move only the upper end."""


def residuals(xs: Sequence[float], ys: Sequence[float], line: Envelope) -> list[float]:
    """Return how far each lag lies above a line, ascending."""
    x0, y0, slope = line.x_s, line.at_s, line.slope
    return sorted([y - y0 - slope * (x - x0) for x, y in zip(xs, ys, strict=True)])


def refute(state: ClockState) -> None:
    """Drop the suspicion: an event lies near the line, and none can come sooner than its clock allows."""
    state.refuted_run = max(state.refuted_run, state.late_run)
    state.up, state.up_size, state.late_run = 0.0, 0, 0


def remember(state: ClockState, x: float, y: float, residual_s: float, ordinary_s: float) -> bool:
    """Take an event into the newest ones; returns whether the evidence of a step is enough to look closer."""
    xs = state.recent_xs
    if len(xs) >= BURST and x - xs[-BURST] < BURST_S:
        return False
    xs.append(x)
    state.recent_ys.append(y)
    state.unread += 1
    if len(xs) >= KEPT + _SLACK:
        del xs[:_SLACK], state.recent_ys[:_SLACK]
    if not state.up and residual_s <= state.reference.high_s:
        return False
    rise = _evidence(residual_s, state.reference, ordinary_s)
    state.up = min(state.up + rise, _DECIDED + _RISE_LATE)
    state.late_run += rise == _RISE_LATE
    state.up_size = min(state.up_size + 1, _SAMPLES[-1])
    return rise > 0.0 and state.up >= _DECIDED


def refresh_due(state: ClockState) -> bool:
    """Tell whether the reference should be drawn anew."""
    return state.unread >= (_REFRESH if state.reference.size >= _SMALL else SOONEST)


def refresh(state: ClockState) -> None:
    """Draw the reference from the newest events, without those that are suspected."""
    state.unread = 0
    state.refuted_run //= 2
    if len(state.recent_xs) >= ENOUGH:
        state.long_gap_s = _LONG_GAP * (state.recent_xs[-1] - state.recent_xs[0]) / len(state.recent_xs)
    end = len(state.recent_xs) - state.up_size
    if end < ENOUGH:
        return
    found = residuals(state.recent_xs[:end], state.recent_ys[:end], state.line)
    state.reference = Reference(
        low_s=found[end // 10], median_s=found[end // 2], high_s=found[int(end * 0.95)], size=end
    )


class Shift(msgspec.Struct, frozen=True):
    """Residuals that have risen for good.

    Attributes:
        size: Newest events that show it.
        shift_s: Rise of the median, in seconds.
        range_s: Interquartile range of these events' residuals, in seconds.
    """

    size: int
    shift_s: float
    range_s: float


def confirmed_shift(state: ClockState, policy: ClockPolicy, least_s: float) -> Shift | None:
    """Look closer at the newest events: does any sample of them show a parallel shift of at least some seconds?

    Where late events and punctual ones have come by turns, as while a backlog is worked off, only a clearly longer run
    of late ones is looked at.
    """
    if state.refuted_run > 1 and state.late_run <= 2 * state.refuted_run:
        return None
    for size in _SAMPLES:
        if size > state.up_size:
            break
        found = _shift_of(state, policy, size)
        if found is not None and found.shift_s >= least_s:
            return msgspec.structs.replace(found, size=_reach(state, found))
    return None


def _shift_of(state: ClockState, policy: ClockPolicy, size: int) -> Shift | None:
    xs, ys = state.recent_xs[-size:], state.recent_ys[-size:]
    found, usual = residuals(xs, ys, state.line), state.reference
    if sum(_evidence(each, usual, policy.ordinary_s) for each in found) < _DECIDED or _is_backlog(xs, ys, policy):
        return None
    shift_s, low_shift_s = found[size // 2] - usual.median_s, found[size // 10] - usual.low_s
    range_s = found[3 * size // 4] - found[size // 4]
    if low_shift_s < _PARALLEL * shift_s or range_s > max(_TIGHT * shift_s, policy.poll_s):
        return None
    return Shift(size, shift_s, range_s)


def _reach(state: ClockState, found: Shift) -> int:
    """Return how many of the newest events lie nearer to the new level than to the old one."""
    between_s = state.reference.median_s + found.shift_s / 2
    line, size = state.line, found.size
    while size < state.up_size:
        x, y = state.recent_xs[-size - 1], state.recent_ys[-size - 1]
        if y - line.at_s - line.slope * (x - line.x_s) < between_s:
            break
        size += 1
    return size


def _evidence(residual_s: float, usual: Reference, ordinary_s: float) -> float:
    if residual_s <= usual.high_s:
        return 0.0
    return _RISE_LATE if residual_s > max(ordinary_s, usual.high_s + SLACK_S) else _RISE


def _is_backlog(xs: Sequence[float], ys: Sequence[float], policy: ClockPolicy) -> bool:
    """Tell whether a sample was gathered in one breath, or its lags fall as a backlog is worked off.

    In a backlog stamps advance faster than receipts. The oldest fifth is left out: it may be a single late event.
    """
    size = len(xs)
    if xs[-1] - xs[0] < max(_SPAN_S, 2 * policy.poll_s) or xs[-1] - xs[size // 2] < max(_LATE_SPAN_S, policy.poll_s):
        return True
    first, last = size // 5, size - (size - size // 5) // 2
    fall_s = sorted(ys[first:last])[(last - first) // 2] - sorted(ys[last:])[(size - last) // 2]
    return fall_s > max(_FALL * (xs[-1] - xs[first]), policy.ordinary_s)
