"""What is known of a source's transport before its first event: the bounds that one-way stamps cannot give."""

from __future__ import annotations

from typing import Literal

import msgspec

Transport = Literal["push", "polled", "gateway", "trusted"]
"""`push`: the device sends at once. `polled`: a collector asks every `poll_seconds`. `gateway`: a serial or field bus
gateway polls for us. `trusted`: the device keeps NTP time, and only proof against it counts."""

NS = 10**9
DEFAULT_POLL_S = {"polled": 10.0, "gateway": 60.0}

_FLOOR_S = {"push": 0.07, "polled": 0.5, "gateway": 2.0, "trusted": 0.07}
"""Largest shortest delay: no path of this kind is always slower. Stamps alone cannot tell it from a slow clock."""

SLACK_S = 1.0
"""Delay that is ordinary on any path beyond its polling: an event later than that is late or its clock has moved."""

LEAST_STEP_S = 0.5
"""Steps below this are never looked for: queues move as much."""


class ClockPolicy(msgspec.Struct, frozen=True):
    """How a source's stamps reach us.

    Attributes:
        transport: Class of the path.
        poll_seconds: Period of the polls of `polled` and `gateway`; unset: 10 s and 60 s.
        resolution_ns: Cell of the stamps when it is known; unset: found from the stamps.
        zone: IANA zone of the site; a jump of an hour at its change of time is then told as such.
    """

    transport: Transport = "push"
    poll_seconds: float | None = None
    resolution_ns: int | None = None
    zone: str | None = None

    @property
    def poll_s(self) -> float:
        """Return the period of the polls in seconds; 0 when nothing is polled."""
        if self.transport not in DEFAULT_POLL_S:
            return 0.0
        return self.poll_seconds or DEFAULT_POLL_S[self.transport]

    @property
    def floor_s(self) -> float:
        """Return the largest shortest delay in seconds."""
        return _FLOOR_S[self.transport]

    @property
    def ordinary_s(self) -> float:
        """Return how far above the shortest delay an ordinary event may lie, in seconds."""
        return self.poll_s + SLACK_S
