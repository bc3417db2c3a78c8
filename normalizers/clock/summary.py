"""What is known of a clock, for people who ask."""

from __future__ import annotations

import msgspec

from normalizers.clock import bounds
from normalizers.clock.policy import NS, ClockPolicy
from normalizers.clock.state import ClockFinding, StoredClock
from normalizers.clock.steps import residuals

_SHARE = 0.99
"""Of the newest events; the rest may count as late."""


class ClockSummary(msgspec.Struct, frozen=True):
    """A clock as of its last event.

    Attributes:
        status: As in a reading.
        method: `hull`, `min` or `ntp`.
        offset_ns: Device minus true time.
        drift_ppm: Gain of the device's clock, parts per million.
        uncertainty_ns: Half-width of the offset and of an undelayed event's time.
        least_step_ns: Smallest step that can be found.
        epoch: Number of the stretch between two steps.
        heard_ns: Received time of the last event.
        delay_ns: From an event to its receipt: more than 99 % of the newest events took; None before there are any.
        finding: Last finding.
    """

    status: str
    method: str
    offset_ns: int
    drift_ppm: float
    uncertainty_ns: int
    least_step_ns: int
    epoch: int
    heard_ns: int
    delay_ns: int | None
    finding: ClockFinding | None


def summarize(policy: ClockPolicy, stored: StoredClock) -> ClockSummary:
    """Read a stored clock.

    Raises:
        ValueError: It is of an unknown version or damaged.
    """
    state = stored.joined()
    x = state.last_received_ns * 1e-9
    offset_s, half_s = bounds.offset_s(state, policy, x), bounds.half_width_s(state, policy, x)
    late = residuals(state.recent_xs, state.recent_ys, state.line)
    delay_ns = None
    if late:
        delay_ns = round((late[min(int(_SHARE * len(late)), len(late) - 1)] + bounds.centre_s(state, policy)) * NS)
    return ClockSummary(
        status=bounds.young_status(state, policy) or ("synced" if -half_s <= offset_s <= half_s else "estimated"),
        method=state.line.method,
        offset_ns=round(offset_s * NS),
        drift_ppm=-state.line.slope * 1e6,
        uncertainty_ns=round(half_s * NS),
        least_step_ns=round(bounds.least_step_s(state, policy) * NS),
        epoch=state.epoch,
        heard_ns=state.last_received_ns,
        delay_ns=delay_ns,
        finding=state.finding,
    )
