"""What the clocks of sources were taken for, event by event, and are known to be afterwards, over recorded records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from connectors.record import RawRecord
from detector.runtime.stages.clocks import Clocks, is_learned, learn_round_trip, sequence_of
from detector.runtime.stages.silence import SilencePolicy
from normalizers.clock.hindsight import LookBack, Stretch
from normalizers.errors import NormalizerError
from normalizers.event import EcsEvent
from normalizers.registry import normalizer_for
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

STEPS = frozenset({"clock-stepped", "clock-zone-wrong"})


class ClockPoint(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        received_ns: When it was received.
        apparent_ns: Stamp minus receipt: the offset less the event's delay.
        offset_ns: Offset of the device's clock as known then.
        uncertainty_ns: Half-width of the corrected time.
    """

    received_ns: int
    apparent_ns: int
    offset_ns: int
    uncertainty_ns: int


class ClockHistory(msgspec.Struct):
    """A source's events, and the received times between which its clock stepped."""

    source: str
    points: list[ClockPoint] = []
    steps: list[tuple[int, int]] = []


def clock_history(records: Iterable[RawRecord], profile: SourceProfile) -> ClockHistory:
    """Run the model of one source over its records, in order; unreadable ones are passed over."""
    history = ClockHistory(profile.id)
    clocks = Clocks(SilencePolicy(profile_of=lambda _: profile))
    for record in records:
        trip = record.round_trip
        for event in _events(record, profile):
            apparent_ns = event.time_ns - event.received_ns
            reading = clocks.correct(event, profile, trip)
            trip = None
            if reading is not None:
                point = ClockPoint(event.received_ns, apparent_ns, reading.offset_ns, reading.uncertainty_ns)
                history.points.append(point)
    for found in clocks.take():
        if found.kind in STEPS:
            doubt = (found.fields[f"convergence.feed.clock.doubt_{end}"] for end in ("from", "until"))
            from_ns, until_ns = (parse_iso8601(str(each)) for each in doubt)
            history.steps.append((from_ns, until_ns))
    return history


def clock_epochs(
    records: Iterable[RawRecord], profile_of: Callable[[str], SourceProfile], sources: Collection[str] = ()
) -> list[Stretch]:
    """Run the models of sources over recorded records, and return what is known of their clocks afterwards.

    Args:
        records: In the order of their append.
        profile_of: Settings of a source.
        sources: Only these; empty: every one whose clock is learned.
    """
    looking = dict[str, LookBack]()
    for record in records:
        profile = profile_of(record.source)
        if (sources and record.source not in sources) or profile.clock is None or not is_learned(record, profile):
            continue
        trip = record.round_trip
        for event in _events(record, profile):
            look = looking.get(record.source)
            if look is None:
                look = looking[record.source] = LookBack(record.source, profile.clock)
            if trip is not None:
                learn_round_trip(look.model, trip, event.received_ns)
                trip = None
            look.observe(event.time_ns, event.received_ns, sequence_of(event))
    return [stretch for source in sorted(looking) for stretch in looking[source].stretches()]


def _events(record: RawRecord, profile: SourceProfile) -> list[EcsEvent]:
    try:
        return normalizer_for(record.dataset)(record, profile)
    except NormalizerError:
        return []
