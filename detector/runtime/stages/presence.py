"""The presence stage: who was seen where, kept for as long as `isthmus who` may ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from detector.errors import StateError
from detector.presence.history import History
from detector.presence.sighting import Sighting, sighting_of
from detector.stateversion import opened, sealed
from detector.task import LogRecord, Output
from normalizers.event import EcsEvent

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Sighting)


class PresenceTask:
    """Keeps what events tell of where people are. It says nothing by itself: it is asked.

    Args:
        keep_ns: How long a sighting is kept.
    """

    def __init__(self, keep_ns: int) -> None:
        self._history = History(keep_ns)
        self._dirty: dict[bytes, Sighting | None] = {}
        self._evicted = 0

    def process(self, records: Sequence[LogRecord]) -> list[Output]:
        """Take events in any order."""
        for record in records:
            sighting = sighting_of(record) if isinstance(record, EcsEvent) else None
            if sighting is not None and self._history.add(sighting):
                self._dirty[_key(sighting)] = sighting
        for gone in self._history.forget():
            self._dirty[_key(gone)] = None
        return []

    def left_out(self) -> Counter[str]:
        """Return how many sightings went for want of room since the last call: for the metrics."""
        evicted = self._history.evicted - self._evicted
        self._evicted = self._history.evicted
        return Counter(sightings_evicted=evicted) if evicted else Counter()

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield sightings that came or went since the last call."""
        for key, sighting in self._dirty.items():
            yield key, None if sighting is None else sealed(_encoder.encode(sighting))
        self._dirty.clear()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one sighting."""
        self._history.add(_read(key, state))

    def restored(self) -> None:
        """Put what was restored in the order of time: the oldest go first."""
        self._history.settle()

    def succeed(self, before: PresenceTask) -> None:
        """Go on with the sightings of the task before, which must not be used any more: rules mean nothing here."""
        self._history, self._dirty, self._evicted = before._history, before._dirty, before._evicted


def read_history(entries: Iterable[tuple[bytes, bytes]], keep_ns: int) -> History:
    """Read a history from stored state.

    Raises:
        StateError: An entry is of an unknown version, or cannot be read.
    """
    history = History(keep_ns)
    for key, state in entries:
        history.add(_read(key, state))
    return history


def _key(sighting: Sighting) -> bytes:
    return f"{sighting.person}\x1f{sighting.time_ns}\x1f{sighting.event_id}".encode()


def _read(key: bytes, state: bytes) -> Sighting:
    try:
        return _decoder.decode(opened(f"presence state {key!r}", state))
    except msgspec.DecodeError as error:
        raise StateError(f"presence state {key!r} cannot be read: {error}") from error
