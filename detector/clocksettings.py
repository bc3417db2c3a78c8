"""The settings of a source's clock."""

from __future__ import annotations

from typing import Literal

import msgspec

from detector.duration import Duration
from detector.errors import SettingsError
from normalizers.clock.policy import DEFAULT_POLL_S, NS, ClockPolicy, Transport

_DROP_S = 60.0
"""Reports come by a schedule that nobody tells; a minute is usual."""


class ClockSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a source's stamps reach the engine, for its clock's error to be learned.

    Attributes:
        transport: `push`: the device sends at once. `polled`: a collector asks it every `poll`. `gateway`: a serial or
            field bus gateway polls it. `trusted`: it keeps NTP time, and only proof against it counts. `none`: nothing
            is learned.
        poll: Period of the polls of `polled` (10 s when unset) and `gateway` (60 s).
        resolution: Cell of its stamps, such as `1s`; found from the stamps when unset.
    """

    transport: Transport | Literal["none"] = "push"
    poll: Duration | None = None
    resolution: Duration | None = None


def clock_policy(source: str, settings: ClockSettings, zone: str) -> ClockPolicy | None:
    """Make the policy of a source's clock; None when nothing is learned.

    Raises:
        SettingsError: A period is not positive, or stands where nothing is polled.
    """
    if settings.transport == "none":
        return None
    if settings.poll is not None and settings.transport not in DEFAULT_POLL_S:
        raise SettingsError(f"sources.{source}.clock.poll: only for polled and gateway, not {settings.transport}")
    for name, value in (("poll", settings.poll), ("resolution", settings.resolution)):
        if value is not None and value <= 0:
            raise SettingsError(f"sources.{source}.clock.{name}: must be longer than nothing; leave it out instead")
    poll_s = None if settings.poll is None else settings.poll / NS
    return ClockPolicy(settings.transport, poll_s, settings.resolution and int(settings.resolution), zone)


def clock_of_reports(zone: str) -> ClockPolicy:
    """Return the policy of a source whose reports are dropped into a folder."""
    return ClockPolicy("polled", _DROP_S, zone=zone)
