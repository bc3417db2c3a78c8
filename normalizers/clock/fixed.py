"""A fixed offset from settings: corrected time and its uncertainty, kept beside what the device said."""

from __future__ import annotations

from normalizers.event import EcsEvent
from normalizers.source import SourceProfile
from normalizers.timestamps import format_utc

FAR_NS = 86_400 * 10**9
"""A stamp further from its receipt than this is a device that has lost its time, and says so in its status."""


def correct_fixed(event: EcsEvent, source: SourceProfile) -> None:
    """Replace the device's time by the corrected one, in place.

    A device can run ahead for years, but nothing happens after it was received: such a stamp becomes the time of
    receipt, so that no clock, however wrong, pushes time ahead of the log. One far in the past stays as it is and
    counts as late.
    """
    device_ns = event.time_ns
    corrected_ns = device_ns - source.clock_offset_ns
    lost = abs(event.received_ns - corrected_ns) > FAR_NS
    event.time_ns = min(corrected_ns, event.received_ns)
    event.uncertainty_ns = source.clock_uncertainty_ns
    fields = event.fields
    fields["convergence.clock.method"] = "fixed" if source.clock_offset_ns or source.clock_uncertainty_ns else "none"
    fields["convergence.clock.status"] = "unknown" if lost or not source.is_received_trusted else "synced"
    fields["convergence.clock.offset_ms"] = source.clock_offset_ns / 1e6
    fields["convergence.clock.uncertainty_ms"] = source.clock_uncertainty_ns / 1e6
    fields["convergence.clock.device_time"] = format_utc(device_ns)
