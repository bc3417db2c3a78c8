"""What the settings say of a source, as far as normalizing needs it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from normalizers.clock.policy import NS, ClockPolicy

UTC = ZoneInfo("UTC")


class SourceProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a source that its records do not carry.

    Attributes:
        id: Logical source id such as ``plant-a/pacs-1``.
        zone: Zone of stamps that name none.
        site: Site the source stands at; fills `convergence.location.site` of events that resolve no place.
        system: Name space of its identifiers in the identities table (badge numbers, local accounts),
            such as ``pacs-a`` or ``corp``; the source id when unset.
        host: Name of the device when its records carry none.
        clock_offset_ns: Fixed error of its clock: device time minus true time.
        clock_uncertainty_ns: Half-width around the corrected time; with an offset or an uncertainty nothing is learned.
        clock: How its stamps reach us, for its clock to be learned; None: they are those of no device.
        expectation_ns: It is heard at least this often (heartbeat); None: its silence proves nothing.
        is_received_trusted: False: whoever gave the time of receipt may be the device itself, so that nothing can be
            learned of its clock.
        journal_jump: Record numbers that may be missing without it being a gap; None: they are not looked at.
        collector: Source through which its records come, such as a door controller's server; None: straight.
        canary: Domain that its records try out, which are the engine's own; None: it is a real source.
    """

    id: str
    zone: ZoneInfo = UTC
    site: str | None = None
    system: str | None = None
    host: str | None = None
    clock_offset_ns: int = 0
    clock_uncertainty_ns: int = 0
    clock: ClockPolicy | None = ClockPolicy()
    expectation_ns: int | None = None
    is_received_trusted: bool = True
    journal_jump: int | None = None
    collector: str | None = None
    canary: str | None = None

    @property
    def is_clock_learned(self) -> bool:
        """Whether the clock's error is learned from its events: it is not set, and can be learned."""
        is_fixed = self.clock_offset_ns or self.clock_uncertainty_ns
        return self.clock is not None and self.is_received_trusted and not is_fixed

    @property
    def usual_uncertainty_ns(self) -> int:
        """Half-width that an event of the source seldom exceeds once its clock is known."""
        if self.clock is None or not self.is_clock_learned:
            return self.clock_uncertainty_ns
        return round(self.clock.ordinary_s * NS)
