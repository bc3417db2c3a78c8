"""Whether residuals have risen for good: a clock set back, told from queues and backlogs."""

from __future__ import annotations

from collections.abc import Sequence

from normalizers.clock.envelope import Envelope
from normalizers.clock.policy import SLACK_S, ClockPolicy
from normalizers.clock.state import ClockState, Floats, Reference

BURST_S = 2.0
BURST = 4
"""Of the events of 2 s only the first four are looked at: what a queue holds back arrives as a burst."""

KEPT = 256
"""Thinned events that the reference is drawn from."""

_SLACK = 64
"""They are cut back to `KEPT` this many at a time, so that an append stays cheap."""

ENOUGH = 20
"""Residuals from which the reference is trusted instead of the policy."""

_REFRESH = 64
"""Thinned events after which it is drawn anew; an eighth of that while it is small."""

_SMALL = 64

SAMPLE = 40
"""Largest sample of newest events."""

_LEAST = 5
"""Smallest sample."""

_RISE = 2.3
"""Log likelihood of a residual above the usual ones: 5 % are before a step, half after the least one looked for."""

_RISE_LATE = 3.9
"""And of one that the path does not explain either: 1 % are."""

_DECIDED = 13.8
"""Four late or six unusual ones in a row (p = 1e-8), or as much in a longer sample."""

_SPAN_S = 30.0
"""A sample is gathered over this long at least: a step lasts, a burst does not."""

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


def is_burst(state: ClockState, x: float) -> bool:
    """Tell whether the newest events are so close together that one more adds nothing."""
    return len(state.recent_xs) >= BURST and x - state.recent_xs[-BURST] < BURST_S


def refute(state: ClockState) -> None:
    """Drop the suspicion: an event lies near the line, and none can come sooner than its clock allows."""
    state.up, state.up_size = 0.0, 0


def remember(state: ClockState, x: float, y: float, residual_s: float, ordinary_s: float) -> bool:
    """Take a thinned event into the newest ones; returns whether the evidence of a step is enough to look closer."""
    state.recent_xs.append(x)
    state.recent_ys.append(y)
    state.unread += 1
    unusual = residual_s > state.reference.high_s
    if unusual:
        is_late = residual_s > max(ordinary_s, state.reference.high_s + SLACK_S)
        rise = _RISE_LATE if is_late else _RISE
        state.up = min(state.up + rise, _DECIDED + _RISE_LATE)
    if state.up:
        state.up_size = min(state.up_size + 1, SAMPLE)
    if len(state.recent_xs) >= KEPT + _SLACK:
        del state.recent_xs[:_SLACK], state.recent_ys[:_SLACK]
    return unusual and state.up >= _DECIDED


def refresh_due(state: ClockState) -> bool:
    """Tell whether the reference should be drawn anew."""
    return state.unread >= (_REFRESH if state.reference.size >= _SMALL else _REFRESH // 8)


def refresh(state: ClockState) -> None:
    """Draw the reference from the newest events, without those that are suspected."""
    state.unread = 0
    end = len(state.recent_xs) - state.up_size
    if end < ENOUGH:
        return
    found = residuals(state.recent_xs[:end], state.recent_ys[:end], state.line)
    state.reference = Reference(
        low_s=found[end // 10], median_s=found[end // 2], high_s=found[int(end * 0.95)], size=end
    )


def confirmed_shift(state: ClockState, policy: ClockPolicy, least_s: float) -> tuple[float, float] | None:
    """Look closer at the newest events.

    Args:
        state: With enough evidence.
        policy: Of the source.
        least_s: Smallest shift that is looked for.

    Returns:
        The shift of the median and the sample's interquartile range in seconds; None when it is no parallel shift.
    """
    xs, ys = sample(state)
    if len(xs) < _LEAST or _is_backlog(xs, ys, policy):
        return None
    found = residuals(xs, ys, state.line)
    size = len(found)
    shift_s = found[size // 2] - state.reference.median_s
    low_shift_s = found[size // 10] - state.reference.low_s
    range_s = found[3 * size // 4] - found[size // 4]
    if shift_s < least_s or low_shift_s < _PARALLEL * shift_s or range_s > max(_TIGHT * shift_s, policy.poll_s):
        return None
    return shift_s, range_s


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


def sample(state: ClockState) -> tuple[Floats, Floats]:
    """Return times and lags of the suspected newest events."""
    start = len(state.recent_xs) - state.up_size
    return state.recent_xs[start:], state.recent_ys[start:]
