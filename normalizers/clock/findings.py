"""Steps, what ends an epoch, and what is told about them."""

from __future__ import annotations

import msgspec

from normalizers.clock import buckets
from normalizers.clock.bounds import half_width_s, offset_s
from normalizers.clock.envelope import LEAST_BUCKETS, Envelope
from normalizers.clock.gate import whole_step
from normalizers.clock.policy import NS, ClockPolicy
from normalizers.clock.state import Cause, ClockFinding, ClockState, Epoch, FindingKind, Reference

_ANNOUNCED_NS = 120 * NS
"""A change of time that is announced so near to a step explains it."""

_OFTEN = 4
_OFTEN_S = 6 * 3600.0
"""A clock that steps more often than so many times in 6 h is erratic: nothing more is said of its steps."""

_CALM_S = 2 * 3600.0
"""Without a step for so long it is no longer erratic."""

_WIDE_S = 300.0
"""When the minima scatter by more than this or ten polls, or even the lowest tenth of the residuals lies above it, no
clock is behind them."""

_SURE = 64
"""Residuals on which that is said."""

_PRIOR_DRIFT = 100e-6
_MAX_EPOCHS = 8


class Step(msgspec.Struct, frozen=True):
    """A step as it was proved.

    Attributes:
        cause: What it rests on.
        shift_s: How far the clock went ahead, seconds.
        level_s: Least lag known after it.
        from_ns: Received time after which events are in doubt.
        device_ns: Stamp of the deciding event.
        received_ns: When that was received.
    """

    cause: Cause
    shift_s: float
    level_s: float
    from_ns: int
    device_ns: int
    received_ns: int


def begin_epoch(state: ClockState, policy: ClockPolicy, step: Step) -> FindingKind | None:
    """Close the epoch and begin the next on the newest events; returns what is to be told."""
    x = step.received_ns * 1e-9
    _close_epoch(state, policy, step.received_ns)
    line, usual = state.line, state.reference
    # A step moves the level; the crystal and the path are the same.
    state.line = Envelope(x, step.level_s, line.slope, 0.0, max(line.slope_error, 1e-6), "min")
    state.reference = Reference(usual.low_s, usual.median_s, usual.high_s + policy.ordinary_s)
    buckets.clear(state)
    buckets.put(state, x, step.level_s)
    state.count = len(state.recent_xs)
    state.unread = state.up_size = state.late_run = state.refuted_run = state.ahead_age = 0
    state.up = 0.0
    del state.ahead_xs[:], state.ahead_ys[:]
    state.bounds, state.narrowed = [], None
    state.is_settled = True
    state.steps_s = [*(at for at in state.steps_s if at > x - _OFTEN_S), x][-_OFTEN - 1 :]
    if state.is_unsynced:
        return None
    state.is_reported = True
    if len(state.steps_s) > _OFTEN:
        state.is_unsynced = True
        return find(state, "clock-unsynced", "erratic", (step.from_ns, step.received_ns))
    whole = whole_step(step.shift_s, step.device_ns, step.received_ns, policy.zone)
    kind: FindingKind = "clock-stepped" if whole is None else "clock-zone-wrong"
    return find(state, kind, whole or step.cause, (step.from_ns, step.received_ns), step.shift_s)


def settle(state: ClockState, policy: ClockPolicy, received_ns: int) -> FindingKind | None:
    """Look, as a bucket closes, whether the clock has become erratic, or is known again."""
    wide = _is_wide(state, max(_WIDE_S, 10 * policy.poll_s))
    if wide and not state.is_unsynced:
        state.is_unsynced = state.is_reported = True
        return find(state, "clock-unsynced", "erratic", (received_ns, received_ns))
    if not state.is_reported or wide or len(state.xs) < LEAST_BUCKETS:
        return None
    if state.is_unsynced and not _is_calm(state, received_ns * 1e-9):
        return None
    state.is_unsynced = state.is_reported = False
    return find(state, "clock-recovered", "settled", (received_ns, received_ns))


def _is_wide(state: ClockState, limit_s: float) -> bool:
    usual = state.reference
    scatter = len(state.xs) >= LEAST_BUCKETS and state.line.spread_s > limit_s
    return scatter or (usual.size >= _SURE and usual.low_s > limit_s)


def _is_calm(state: ClockState, x: float) -> bool:
    return state.reference.size >= _SURE and (not state.steps_s or x - state.steps_s[-1] >= _CALM_S)


def find(
    state: ClockState, kind: FindingKind, cause: Cause, doubt: tuple[int, int], shift_s: float = 0.0
) -> FindingKind:
    """Keep a finding, with the received times between which events are in doubt, as the last one."""
    found = ClockFinding(kind, cause, round(shift_s * NS), *doubt, state.epoch)
    state.finding = _told(found, state.announced_ns)
    return kind


def announce(state: ClockState, received_ns: int) -> None:
    """Learn that the device's time was set on purpose; it explains a step just found or found soon."""
    state.announced_ns = received_ns
    if state.finding is not None:
        state.finding = _told(state.finding, received_ns)


def _told(found: ClockFinding, announced_ns: int | None) -> ClockFinding:
    if announced_ns is None or found.kind == "clock-recovered":
        return found
    near = found.from_ns - _ANNOUNCED_NS <= announced_ns <= found.until_ns + _ANNOUNCED_NS
    return msgspec.structs.replace(found, explained=True) if near else found


def epoch_until(state: ClockState, policy: ClockPolicy, received_ns: int) -> Epoch:
    """Return the present epoch as if it ended then."""
    x = received_ns * 1e-9
    return Epoch(
        state.epoch,
        state.epoch_from_ns,
        received_ns,
        round(offset_s(state, policy, x) * NS),
        -state.line.slope * 1e6,
        round(half_width_s(state, policy, x) * NS),
    )


def _close_epoch(state: ClockState, policy: ClockPolicy, received_ns: int) -> None:
    closed = epoch_until(state, policy, received_ns)
    state.epochs = [*state.epochs, closed][-_MAX_EPOCHS:]
    state.epoch += 1
    state.epoch_from_ns = received_ns
