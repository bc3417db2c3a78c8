"""The least lag of each quarter of an hour."""

from __future__ import annotations

from normalizers.clock.envelope import LEAST_BUCKETS, fit, fit_line
from normalizers.clock.state import ClockState

BUCKET_S = 900.0
"""Width: long enough to hold an undelayed event, short enough to follow a drift."""

_LEAST_EVENTS = 5
_LONGEST_S = 2_700.0
"""A bucket of a sparse source is closed after this long whatever it holds: 96 of them are 72 h."""

MAX_BUCKETS = 96
HORIZON_S = 72 * 3600.0
"""Minima older than this say nothing about the clock's present temper."""

_OFTEN_UNTIL = 12
_FIRST_DAY = 24
_OFTEN, _SELDOM = 4, 16
"""Closed buckets after which the line is chosen anew: each up to 3 h of them, each fourth up to 6 h, then each 16th.
In between a line over few buckets is drawn anew each fourth, for it follows a crystal's warming."""

_OFF = 0.25
"""And at once when a minimum lies below it by this part of the spread."""


def put(state: ClockState, x: float, y: float) -> bool:
    """Take a lag into the open bucket; returns whether the last one was closed and the line drawn anew with it."""
    drawn = False
    age_s = x - state.bucket_from_s
    if age_s >= BUCKET_S and state.bucket_size and (state.bucket_size >= _LEAST_EVENTS or age_s >= _LONGEST_S):
        drawn = _close(state, x)
    if not state.bucket_size:
        state.bucket_from_s, state.bucket_x, state.bucket_y = x, x, y
    elif y < state.bucket_y:
        state.bucket_x, state.bucket_y = x, y
    state.bucket_size += 1
    return drawn


def clear(state: ClockState) -> None:
    """Forget every lag."""
    del state.xs[:], state.ys[:]
    state.bucket_size = 0


def _close(state: ClockState, x: float) -> bool:
    xs, ys = state.xs, state.ys
    if not xs or state.bucket_x > xs[-1]:
        xs.append(state.bucket_x)
        ys.append(state.bucket_y)
    state.bucket_size = 0
    expired = max(len(xs) - MAX_BUCKETS, 0)
    while expired < len(xs) and xs[expired] < x - HORIZON_S:
        expired += 1
    if expired:
        del xs[:expired], ys[:expired]
    size = len(xs)
    return size >= LEAST_BUCKETS and _draw(state, size)


def _draw(state: ClockState, size: int) -> bool:
    xs, ys, line = state.xs, state.ys, state.line
    state.undrawn += 1
    below_s = line.at_s + line.slope * (xs[-1] - line.x_s) - ys[-1]
    wait = _SELDOM if size > _FIRST_DAY else _OFTEN if size > _OFTEN_UNTIL else 1
    if state.undrawn >= wait or state.loose_s or line.method == "min":
        state.line = fit(xs, ys)
        state.undrawn = 0
        state.loose_s = 0.0
        return True
    if below_s > _OFF * line.spread_s or (line.span < size and state.undrawn % _OFTEN == 0):
        state.line = fit_line(list(xs[-line.span :]), list(ys[-line.span :]))
        return True
    before_s = ys[-2] - line.at_s - line.slope * (xs[-2] - line.x_s)
    if min(-below_s, before_s) > line.spread_s:
        # Two in a row: the clock bends away from its line.
        line.spread_s = max(-below_s, before_s)
        return True
    return False
