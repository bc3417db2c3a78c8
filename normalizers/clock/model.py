"""A source's clock, learned from the stamps of its events and the times at which they were received.

Device stamp ``d``, received ``a``, true time ``t``: the lag ``a - d`` is the delay less the clock's offset. Delays have
a least value and no largest, so the line under all lags is the offset but for the path's shortest delay, which one-way
stamps cannot tell; the policy bounds it. docs/explanation/clocks.md has the picture.
"""

from __future__ import annotations

from typing import Self

import msgspec

from normalizers.clock import bounds
from normalizers.clock.bounds import FEW, LEAST_SEEN, Status
from normalizers.clock.buckets import put
from normalizers.clock.envelope import LEAST_BUCKETS, Envelope
from normalizers.clock.evidence import add_bound, narrow
from normalizers.clock.findings import Step, announce, begin_epoch, epoch_until, find, settle
from normalizers.clock.gate import NEAR_S, QUARTER_S, whole_step
from normalizers.clock.policy import NS, ClockPolicy
from normalizers.clock.resolution import finer
from normalizers.clock.state import (
    Cause,
    ClockFinding,
    ClockState,
    Epoch,
    FindingKind,
    OffsetBound,
    Reference,
    StoredClock,
    decode_state,
    encode_state,
    split_state,
)
from normalizers.clock.steps import SOONEST, confirmed_shift, refresh, refresh_due, refute, remember

_BEHIND = 3
"""Events that must agree before a clock is taken to be whole steps behind: a backlog is behind as well."""

_AHEAD = 3
"""Events from the future that prove a step."""

_AHEAD_WINDOW = 12
"""They lie within so many events."""

_PRIOR_DRIFT = 100e-6
"""Drift that an unknown crystal may have, in s/s."""

_PRIOR_MEDIAN_S = 0.1
"""Median delay of a path that has not been watched."""

_WORKED_OFF = 0.5
"""A backlog is worked off in this part of the outage that made it; what comes later and is late was not held back."""

_BACK_S = 1.0
"""Threads of a device write their stamps out of order by less than this."""


class ClockReading(msgspec.Struct, frozen=True, gc=False):
    """What is known of one event's time.

    Attributes:
        time_ns: Corrected time, never after the received one; UTC nanoseconds.
        offset_ns: Device minus true time at the event.
        drift_ppm: Gain of the device's clock, parts per million.
        uncertainty_ns: Half-width of the interval around `time_ns` that holds the true time.
        status: `synced`: the clock cannot be told from a right one. `estimated`: its error is known. `learning`: not
            yet. `stepped`: it moved, and the new error is being learned. `unknown`: it is erratic.
        epoch: Number of the stretch between two steps.
        finding: What this event proved: an `event.action`; details are in the model's `last_finding`.
    """

    time_ns: int
    offset_ns: int
    drift_ppm: float
    uncertainty_ns: int
    status: Status
    epoch: int
    finding: FindingKind | None


class ClockModel:
    """Learns one clock; a fold over its events.

    Args:
        policy: How its stamps reach us.
        state: What is known already.
    """

    def __init__(self, policy: ClockPolicy, state: ClockState | None = None) -> None:
        self._policy = policy
        self._state = _unknown(policy) if state is None else state
        self._ordinary_s = policy.ordinary_s
        self._rebase()

    @classmethod
    def restore(cls, policy: ClockPolicy, stored: bytes) -> Self:
        """Go on where a snapshot was taken.

        Raises:
            ValueError: The snapshot is of an unknown version or damaged.
        """
        return cls(policy, decode_state(stored))

    def snapshot(self) -> bytes:
        """Return all that is remembered; at most 10 kB."""
        return encode_state(self._state)

    def stored(self) -> StoredClock:
        """Return the same in parts, of which an event changes one."""
        return split_state(self._state)

    @property
    def last_finding(self) -> ClockFinding | None:
        """Return the last finding with its details."""
        return self._state.finding

    @property
    def epochs(self) -> list[Epoch]:
        """Return the last closed epochs, oldest first."""
        return self._state.epochs

    def present_epoch(self, at_ns: int) -> Epoch:
        """Return the present epoch with the line as known, as if it ended at a time."""
        return epoch_until(self._state, self._policy, at_ns)

    @property
    def cell_ns(self) -> int:
        """Return the cell of the stamps."""
        return bounds.cell_ns(self._state)

    @property
    def method(self) -> str:
        """Return what the present estimate is: `hull`, `min`, or `ntp` while a trusted device is believed."""
        return self._state.line.method

    @property
    def least_step_s(self) -> float:
        """Return the smallest step that can be found, in seconds."""
        return bounds.least_step_s(self._state, self._policy)

    def announce(self, received_ns: int) -> None:
        """Learn that the device's time was set on purpose, such as by Windows event 4616 or an approved ticket."""
        announce(self._state, received_ns)

    def bound(self, at_ns: int, *, low_ns: int | None = None, high_ns: int | None = None) -> None:
        """Learn between what the device's offset (device minus true time) lay, by what is no lag.

        A round trip bounds both sides; that an event of another, right clock came before one of this device bounds it
        from above. Three bounds that agree narrow the uncertainty of the events that follow.

        Args:
            at_ns: When; UTC nanoseconds.
            low_ns: It was at least this; None: nothing is known.
            high_ns: At most this.
        """
        low_s, high_s = (None if each is None else each * 1e-9 for each in (low_ns, high_ns))
        add_bound(self._state, self._policy, OffsetBound(at_ns * 1e-9, low_s, high_s))
        self._rebase()

    def observe(self, device_time_ns: int, received_ns: int, *, sequence: int | None = None) -> ClockReading:
        """Learn from one event and tell its time.

        Args:
            device_time_ns: As the device stamped it; UTC nanoseconds.
            received_ns: When a collector took it; UTC nanoseconds, the collector's clock being right.
            sequence: The device's own number of the event, rising by its order of writing.
        """
        state = self._state
        y = (received_ns - device_time_ns) * 1e-9
        if device_time_ns % state.cell_ns and self._policy.resolution_ns is None:
            state.cell_ns = finer(state.cell_ns, device_time_ns)
            self._rebase()
        finding = None if state.last_received_ns else self._begin(y, device_time_ns, received_ns)
        if sequence is not None:
            finding = self._follow_sequence(sequence, y, device_time_ns, received_ns) or finding
        if finding is None:
            line = state.line
            residual_s = y - line.at_s - line.slope * (received_ns * 1e-9 - line.x_s)
            learn = self._below if residual_s < 0.0 else self._above
            finding = learn(residual_s, y, device_time_ns, received_ns)
        state.last_received_ns, state.last_device_ns = received_ns, device_time_ns
        return self._read(y, device_time_ns, received_ns, finding)

    def _read(self, y: float, device_ns: int, received_ns: int, finding: FindingKind | None) -> ClockReading:
        """Tell an event's time; written out flat, because every event pays for it."""
        state, line = self._state, self._state.line
        since_s = received_ns * 1e-9 - line.x_s
        residual_s = y - line.at_s - line.slope * since_s
        offset_s = self._centre_s - line.at_s - line.slope * (since_s - residual_s if residual_s > 0.0 else since_s)
        time_ns = device_ns + self._half_cell_ns - round(offset_s * NS)
        half_s = self._fixed_half_s
        if not self._is_trusting:
            if since_s > 0.0:
                half_s += line.slope_error * since_s
            half_s += self._unseen_s / (max(LEAST_SEEN, state.count))
        status = self._young or ("synced" if -half_s <= offset_s <= half_s else "estimated")
        if not 0.0 <= residual_s <= self._ordinary_s or not self._is_old:
            time_ns, half_s = self._widen(residual_s, half_s, time_ns, min(device_ns, received_ns))
        return ClockReading(
            min(received_ns, time_ns),
            round(offset_s * NS),
            line.slope * -1e6,
            round(half_s * NS),
            status,
            state.epoch,
            finding,
        )

    def _redraw(self) -> None:
        """Bounds of the offset are measured from the line."""
        if self._state.bounds:
            narrow(self._state, self._policy)
        self._rebase()

    def _rebase(self) -> None:
        """Work out what changes seldom; called after every such change, so that it follows from the state alone."""
        state, policy = self._state, self._policy
        self._is_trusting = bounds.is_trusting(state, policy)
        self._centre_s = bounds.centre_s(state, policy)
        self._half_cell_ns = bounds.cell_ns(state) // 2
        self._fixed_half_s = bounds.fixed_half_s(state, policy)
        self._unseen_s = bounds.unseen_s(state)
        self._is_old = state.count >= FEW
        self._young = bounds.young_status(state, policy)

    def _widen(self, residual_s: float, half_s: float, time_ns: int, stamp_ns: int) -> tuple[int, float]:
        """Return time and half-width of an event that is early, late, or one of the first."""
        if residual_s < 0.0:
            half_s += self._policy.poll_s - residual_s
        elif residual_s > self._ordinary_s and not self._is_trusting:
            # Late or stepped back: while that is undecided, both must lie inside.
            half_s += residual_s
        if self._is_old or self._state.is_settled or self._is_trusting:
            return time_ns, half_s
        return stamp_ns, half_s + abs(stamp_ns - time_ns) * 1e-9

    def _begin(self, y: float, device_ns: int, received_ns: int) -> FindingKind | None:
        state, x = self._state, received_ns * 1e-9
        state.epoch_from_ns = received_ns
        if self._is_trusting:
            return None
        state.line = Envelope(x, y, 0.0, 0.0, _PRIOR_DRIFT, "min")
        self._redraw()
        # No delay makes a stamp lie ahead, so one is enough; those behind may come from a backlog.
        cause = whole_step(-y, device_ns, received_ns, self._policy.zone)
        if cause == "rtc-reset" or (cause is not None and y < 0.0):
            return self._gate(cause, -y, received_ns)
        return None

    def _gate(self, cause: Cause, offset_s: float, received_ns: int) -> FindingKind:
        self._state.is_settled = self._state.is_reported = True
        return find(self._state, "clock-zone-wrong", cause, (received_ns, received_ns), offset_s)

    def _follow_sequence(self, sequence: int, y: float, device_ns: int, received_ns: int) -> FindingKind | None:
        state = self._state
        before = state.last_sequence
        if before is not None and sequence <= before:
            return None
        state.last_sequence = sequence
        back_s = (state.last_device_ns - device_ns) * 1e-9
        if before is None or back_s <= max(_BACK_S, 3e-9 * self._half_cell_ns):
            return None
        x, line = received_ns * 1e-9, state.line
        before_s = (state.last_received_ns - state.last_device_ns) * 1e-9 - line.at_s
        state.is_flushing = before_s - line.slope * (x - line.x_s) > self._ordinary_s
        # In a backlog the lag tells how late an event is, not how far the clock went.
        shift_s = -back_s if state.is_flushing else -max(back_s, y - line.at_s - line.slope * (x - line.x_s))
        del state.recent_xs[:], state.recent_ys[:]
        remember(state, x, y, 0.0, self._ordinary_s)
        return self._step("backwards", shift_s, y, state.last_received_ns, (device_ns, received_ns))

    def _step(
        self, cause: Cause, shift_s: float, level_s: float, from_ns: int, event: tuple[int, int]
    ) -> FindingKind | None:
        kind = begin_epoch(self._state, self._policy, Step(cause, shift_s, level_s, from_ns, *event))
        self._rebase()
        return kind

    def _below(self, residual_s: float, y: float, device_ns: int, received_ns: int) -> FindingKind | None:
        """Take an event that came faster than any: the line was too high, or the clock went ahead."""
        state, x = self._state, received_ns * 1e-9
        if state.is_flushing or -residual_s <= bounds.tolerance_s(state, self._policy, x):
            state.is_flushing = state.is_flushing and self._is_flushed(device_ns, received_ns)
            if not self._is_trusting and len(state.xs) < LEAST_BUCKETS:
                state.line.at_s += residual_s
                state.line.x_s = x
                if state.bounds:
                    self._redraw()
            return self._above(0.0, y, device_ns, received_ns)
        if state.ahead_age >= _AHEAD_WINDOW:
            del state.ahead_xs[:], state.ahead_ys[:]
            state.ahead_age = 0
        state.ahead_xs.append(x)
        state.ahead_ys.append(y)
        state.ahead_age += 1
        if len(state.ahead_xs) < _AHEAD:
            return None
        level_s = min(state.ahead_ys)
        shift_s = state.line.at_s + state.line.slope * (x - state.line.x_s) - level_s
        from_s = next((each for each in reversed(state.recent_xs) if each < state.ahead_xs[0]), state.ahead_xs[0])
        state.recent_xs, state.recent_ys = state.ahead_xs[:], state.ahead_ys[:]
        return self._step("future", shift_s, level_s, round(from_s * NS), (device_ns, received_ns))

    def _above(self, residual_s: float, y: float, device_ns: int, received_ns: int) -> FindingKind | None:
        """Take an event that came as fast as usual or later."""
        state, x = self._state, received_ns * 1e-9
        state.count += 1
        if state.ahead_age:
            state.ahead_age += 1
        if not self._is_old:
            self._rebase()
        if x - state.last_received_ns * 1e-9 > state.long_gap_s:
            state.outage_from_s, state.outage_until_s = state.last_received_ns * 1e-9, x
        if self._is_trusting or (
            residual_s > self._ordinary_s and self._is_backlog(residual_s, device_ns, received_ns)
        ):
            return None
        finding = None
        if put(state, x, y):
            finding = settle(state, self._policy, received_ns)
            self._redraw()
        if state.up and residual_s < state.reference.median_s:
            refute(state)
        if remember(state, x, y, residual_s, self._ordinary_s):
            finding = self._look_back(device_ns, received_ns) or finding
        elif state.unread >= SOONEST and refresh_due(state):
            refresh(state)
            self._rebase()
        if state.count == _BEHIND and not state.is_settled:
            finding = self._look_behind(y, device_ns, received_ns) or finding
        return finding

    def _is_backlog(self, residual_s: float, device_ns: int, received_ns: int) -> bool:
        """Tell whether a late event happened during an outage, or follows the last one faster than it happened."""
        state, x = self._state, received_ns * 1e-9
        most_s = _WORKED_OFF * (state.outage_until_s - state.outage_from_s) + self._ordinary_s
        is_within = state.outage_from_s - self._ordinary_s <= x - residual_s <= state.outage_until_s
        if is_within and x - state.outage_until_s <= most_s:
            return True
        return self._is_flushed(device_ns, received_ns)

    def _is_flushed(self, device_ns: int, received_ns: int) -> bool:
        """Tell whether an event follows the last one faster than it happened."""
        return received_ns - self._state.last_received_ns < (device_ns - self._state.last_device_ns) // 5

    def _look_back(self, device_ns: int, received_ns: int) -> FindingKind | None:
        """Look whether the newest events are late for good."""
        state = self._state
        found = confirmed_shift(state, self._policy, self.least_step_s)
        if found is None:
            return None
        xs, ys = state.recent_xs[-found.size :], state.recent_ys[-found.size :]
        before = len(state.recent_xs) - found.size - 1
        from_s = state.recent_xs[before] if before >= 0 else xs[0]
        level_s = min(*ys, sorted(ys)[found.size // 2] - state.reference.median_s)
        state.recent_xs, state.recent_ys, state.loose_s = xs, ys, 2 * found.range_s
        return self._step("step", -found.shift_s, level_s, round(from_s * NS), (device_ns, received_ns))

    def _look_behind(self, y: float, device_ns: int, received_ns: int) -> FindingKind | None:
        """Look whether the first events agree on a clock that is whole steps behind."""
        ys = self._state.recent_ys
        if len(ys) < _BEHIND or max(ys) - min(ys) > NEAR_S:
            return None
        cause = whole_step(-y, device_ns, received_ns, self._policy.zone)
        return None if cause is None else self._gate(cause, -y, received_ns)


def _unknown(policy: ClockPolicy) -> ClockState:
    line = Envelope(0.0, policy.floor_s / 2, 0.0, 0.0, 0.0, "ntp")
    usual = Reference(0.0, max(policy.poll_s / 2, _PRIOR_MEDIAN_S), policy.poll_s + QUARTER_S - NEAR_S)
    state = ClockState(line, usual)
    if policy.resolution_ns is not None:
        state.cell_ns = policy.resolution_ns
    return state
