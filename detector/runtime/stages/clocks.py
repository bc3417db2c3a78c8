"""The clocks of a partition's sources: one model each, folded over their events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from connectors.record import RawRecord, hashed_id
from connectors.round_trip import RoundTrip
from detector.errors import StateError
from detector.runtime.stages.silence import SilencePolicy, feed_fields
from detector.stateversion import opened
from detector.task import ENGINE_DATASET, EngineEvent
from normalizers.clock.fixed import correct_fixed
from normalizers.clock.hindsight import METHOD, Hindsight
from normalizers.clock.model import ClockModel, ClockReading
from normalizers.clock.policy import ClockPolicy
from normalizers.clock.state import ClockFinding, StoredClock, is_known_version
from normalizers.event import EcsEvent, Value
from normalizers.source import SourceProfile
from normalizers.timestamps import format_utc

MAX_CLOCKS = 20_000
"""Clocks remembered in one partition, 2 kB to 12 kB each; of more, those heard longest ago that settings do not name
are forgotten, and learned anew when they are heard again."""

_FORGOTTEN = 8
"""This part of them is forgotten at once, so that a flood of invented sources does not sort them at every record."""

UNTIMED = frozenset({ENGINE_DATASET, "context.marker", "servicenow.change", "hr.person"})
"""Datasets whose stamps are those of no device: what the engine says itself, and rows of business systems."""

SET_ACTIONS = frozenset({"time-sync"})
"""`event.action` of events by which a device tells that its time was set on purpose (Windows 4616, a panel's log)."""

KEY = b"c"
"""First byte of the keys of clocks in the state of a sense task."""

_SKEW_NS, _HELD_NS = 10**9, 3_600 * 10**9
"""A poller whose answer came later than its record, or long before it, has no clock to measure by."""

_TIME_BYTES = 8
_PARTS = ("head", "recent", "minima")
_PARTS_BY_BYTE = {part[:1].encode(): part for part in _PARTS}
"""Parts of a stored clock by the second byte of their key."""


class Clocks:
    """Corrects the time of each event and remembers what is known of its source's clock.

    Args:
        policy: What is known of the sources besides; tells which ones settings name.
        hindsight: What is known of clocks afterwards, for a backtest: it dates the events that it knows of. What is
            found about clocks stays as it was found.
    """

    def __init__(self, policy: SilencePolicy, hindsight: Hindsight | None = None) -> None:
        self._policy = policy
        self._hindsight = hindsight
        self._models: dict[str, ClockModel] = {}
        # As restored, and decoded when its source is next heard.
        self._stored: dict[str, StoredClock] = {}
        # Hashes of the parts last yielded: an event changes one of three.
        self._yielded: dict[str, tuple[int, int]] = {}
        self._last_ns: dict[str, int] = {}
        self._dirty: set[str] = set()
        self._told: list[EngineEvent] = []

    def correct(self, event: EcsEvent, profile: SourceProfile, trip: RoundTrip | None = None) -> ClockReading | None:
        """Replace the device's time by the corrected one, in place, and learn from it.

        Args:
            event: As its normalizer made it.
            profile: Settings of its source.
            trip: What the device's clock showed when it was asked for the event's record.

        Returns:
            What its clock was taken for; None where nothing is learned of it.
        """
        if event.dataset != ENGINE_DATASET:
            event.fields["convergence.feed.id"] = event.source
        if profile.clock is None or not is_learned(event, profile):
            correct_fixed(event, profile)
            return None
        model = self._models.get(event.source) or self._learn(event.source, profile.clock)
        self._dirty.add(event.source)
        self._last_ns[event.source] = event.received_ns
        if event.fields.get("event.action") in SET_ACTIONS:
            model.announce(event.received_ns)
        if trip is not None:
            learn_round_trip(model, trip, event.received_ns)
        sequence = sequence_of(event)
        device_ns = event.time_ns
        reading = model.observe(device_ns, event.received_ns, sequence=sequence)
        _stamp(event, reading, model.method)
        found = model.last_finding
        if reading.finding is not None and found is not None:
            about = feed_fields(profile, self._policy) | _fields(event, reading, found)
            self._told.append(_engine_event(event, found, about))
        if self._hindsight is not None:
            known = self._hindsight.find(event.source, device_ns, received_ns=event.received_ns, sequence=sequence)
            if known is not None:
                event.time_ns = device_ns
                _stamp(event, known.read(device_ns, event.received_ns), METHOD)
        return reading

    def take(self) -> list[EngineEvent]:
        """Return what was found since the last call."""
        told, self._told = self._told, []
        return told

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call."""
        for source in sorted(self._dirty):
            model = self._models.get(source)
            if model is None:
                yield from ((_key(part, source), None) for part in _PARTS)
                continue
            stored = model.stored()
            yield _key("head", source), self._last_ns[source].to_bytes(_TIME_BYTES, "big") + stored.head
            parts = (hash(stored.recent), hash(stored.minima))
            before = self._yielded.get(source, (None, None))
            if parts[0] != before[0]:
                yield _key("recent", source), stored.recent
            if parts[1] != before[1]:
                yield _key("minima", source), stored.minima
            self._yielded[source] = parts
        self._dirty.clear()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry.

        Raises:
            StateError: It is of an unknown version.
        """
        part, source = _PARTS_BY_BYTE.get(key[1:2]), key[2:].decode()
        if part is None or (part == "head" and not is_known_version(state[_TIME_BYTES:])):
            raise StateError(f"clock state {key!r} is of an unknown version")
        if part == "head":
            self._last_ns[source] = int.from_bytes(state[:_TIME_BYTES], "big")
            state = state[_TIME_BYTES:]
        self._stored[source] = msgspec.structs.replace(self._stored.get(source, StoredClock(b"")), **{part: state})

    def succeed(self, before: Clocks) -> None:
        """Go on, under other rules, with what another one remembers."""
        self._models, self._stored = before._models, before._stored
        self._last_ns, self._dirty, self._yielded = before._last_ns, before._dirty, before._yielded

    def _learn(self, source: str, policy: ClockPolicy) -> ClockModel:
        stored = self._stored.pop(source, None)
        model = ClockModel(policy, None if stored is None else stored.joined())
        self._models[source] = model
        if len(self._models) + len(self._stored) > MAX_CLOCKS:
            self._make_room(source)
        return model

    def _make_room(self, newest: str) -> None:
        """Forget the clocks heard longest ago; which ones follows from the state alone, so that a restart agrees."""
        kept = self._policy.named | {newest}
        idle = sorted((last_ns, source) for source, last_ns in self._last_ns.items() if source not in kept)
        for _, source in idle[: MAX_CLOCKS // _FORGOTTEN]:
            self._models.pop(source, None)
            self._stored.pop(source, None)
            self._yielded.pop(source, None)
            del self._last_ns[source]
            self._dirty.add(source)


def learn_round_trip(model: ClockModel, trip: RoundTrip, received_ns: int) -> None:
    """Bound an offset by what the device's clock showed between a question and its answer."""
    if -_SKEW_NS <= received_ns - trip.answered_ns <= _HELD_NS:
        low_ns, high_ns = trip.device_ns - trip.answered_ns, trip.device_ns + trip.cell_ns - trip.asked_ns
        model.bound(trip.answered_ns, low_ns=low_ns, high_ns=high_ns)


def is_learned(given: EcsEvent | RawRecord, profile: SourceProfile) -> bool:
    """Tell whether the stamps of an event or record are those of a clock that is learned."""
    return profile.is_clock_learned and given.dataset not in UNTIMED


def sequence_of(event: EcsEvent) -> int | None:
    """Return the device's own number of an event."""
    number = event.fields.get("event.sequence")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def read_clocks(entries: Iterable[tuple[bytes, bytes]]) -> dict[str, StoredClock]:
    """Pick the stored clocks out of the state of a sense task, by source."""
    clocks = Clocks(SilencePolicy(profile_of=lambda source: SourceProfile(id=source)))
    for key, value in entries:
        if key[:1] == KEY:
            clocks.restore(key, opened(f"clock state {key!r}", value))
    return clocks._stored  # noqa: SLF001  the class above


def _key(part: str, source: str) -> bytes:
    return KEY + part[:1].encode() + source.encode()


def _stamp(event: EcsEvent, reading: ClockReading, method: str) -> None:
    device_ns = event.time_ns
    event.time_ns, event.uncertainty_ns = reading.time_ns, reading.uncertainty_ns
    event.fields |= {
        "convergence.clock.method": method,
        "convergence.clock.status": reading.status,
        "convergence.clock.offset_ms": reading.offset_ns / 1e6,
        "convergence.clock.drift_ppm": reading.drift_ppm,
        "convergence.clock.uncertainty_ms": reading.uncertainty_ns / 1e6,
        "convergence.clock.epoch": reading.epoch,
        "convergence.clock.device_time": format_utc(device_ns),
    }


def _fields(event: EcsEvent, reading: ClockReading, found: ClockFinding) -> dict[str, Value]:
    return {
        "convergence.feed.dataset": event.dataset,
        "convergence.feed.domain": event.fields.get("convergence.domain"),
        "convergence.feed.clock.cause": found.cause,
        "convergence.feed.clock.shift_ms": found.shift_ns / 1e6,
        "convergence.feed.clock.offset_ms": reading.offset_ns / 1e6,
        "convergence.feed.clock.uncertainty_ms": reading.uncertainty_ns / 1e6,
        "convergence.feed.clock.epoch": found.epoch,
        "convergence.feed.clock.doubt_from": format_utc(found.from_ns),
        "convergence.feed.clock.doubt_until": format_utc(found.until_ns),
        "convergence.feed.clock.explained": "yes" if found.explained else "no",
        "convergence.feed.clock.explanation": "time-set" if found.explained else None,
    }


def _engine_event(event: EcsEvent, found: ClockFinding, fields: dict[str, Value]) -> EngineEvent:
    return EngineEvent(
        id=hashed_id(event.source, event.id, found.kind),
        source=event.source,
        kind=found.kind,
        time_ns=event.received_ns,
        fields={path: value for path, value in fields.items() if value is not None},
    )
