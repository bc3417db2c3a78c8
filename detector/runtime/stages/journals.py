"""Numbers that devices give their records: told when they jump, repeat or begin anew."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import msgspec

from connectors.record import hashed_id
from detector.task import EngineEvent, Record
from normalizers.event import EcsEvent, Value
from normalizers.source import SourceProfile

WINDOW = 64
"""Numbers remembered of one journal: a record that was overtaken by fewer is no gap, and one sent twice no repeat."""

MAX_JOURNALS = 10_000
"""Journals remembered in one partition, about 1 kB each; of more, the one heard longest ago is forgotten."""


class Journal(msgspec.Struct, array_like=True):
    """What is remembered of one journal.

    Attributes:
        last: Largest number since it began.
        seen: Numbers seen of late, with a checksum of the record: the newest `WINDOW` of them.
        heard_ns: Ready time of its last record.
    """

    last: int
    seen: dict[int, int]
    heard_ns: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Journal)


class Journals:
    """Follows `event.sequence` within `convergence.feed.journal` of the sources whose settings ask for it.

    Args:
        profile_of: Settings of a source.
    """

    def __init__(self, profile_of: Callable[[str], SourceProfile]) -> None:
        self._profile_of = profile_of
        self._journals: dict[str, Journal] = {}
        self._dirty: set[str] = set()
        self._told: list[EngineEvent] = []

    def note(self, event: EcsEvent, entry: Record) -> None:
        """Take an event of a record."""
        number = event.fields.get("event.sequence")
        largest = self._profile_of(event.source).journal_jump
        if largest is None or not isinstance(number, int):
            return
        name = f"{event.source}\x1f{event.fields.get('convergence.feed.journal', '')}"
        journal = self._journals.pop(name, None) or Journal(number - 1, {}, 0)
        checksum = zlib.crc32(entry.record.value)
        found = _judge(journal, number, checksum, largest)
        if found is not None:
            self._told.append(_gap(event, entry, journal.last, found))
        _remember(journal, number, checksum, starts_anew=found == "restart")
        journal.heard_ns = entry.ready_ns
        self._journals[name] = journal
        self._dirty.add(name)
        if len(self._journals) > MAX_JOURNALS:
            oldest = next(iter(self._journals))
            del self._journals[oldest]
            self._dirty.add(oldest)

    def take(self) -> list[EngineEvent]:
        """Return what was told since the last call."""
        told, self._told = self._told, []
        return told

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call."""
        for name in sorted(self._dirty):
            journal = self._journals.get(name)
            yield b"j" + name.encode(), None if journal is None else _encoder.encode(journal)
        self._dirty.clear()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry."""
        self._journals[key[1:].decode()] = _decoder.decode(state)

    def restored(self) -> None:
        """Bring journals into the order in which they are forgotten."""
        self._journals = dict(sorted(self._journals.items(), key=lambda each: (each[1].heard_ns, each[0])))

    def succeed(self, before: Journals) -> None:
        """Go on, under other settings or rules, with what another one remembers."""
        self._journals, self._dirty = before._journals, before._dirty


def _judge(journal: Journal, number: int, checksum: int, largest: int) -> str | None:
    if number > journal.last:
        return "jump" if number - journal.last - 1 > largest else None
    if number <= journal.last - WINDOW:
        return "restart"
    known = journal.seen.get(number, checksum)
    return None if known == checksum else "repeat"


def _remember(journal: Journal, number: int, checksum: int, *, starts_anew: bool) -> None:
    if starts_anew:
        journal.last, journal.seen = number, {}
    journal.last = max(journal.last, number)
    journal.seen[number] = checksum
    if len(journal.seen) > WINDOW:
        del journal.seen[min(journal.seen)]


def _gap(event: EcsEvent, entry: Record, last: int, found: str) -> EngineEvent:
    number = event.fields["event.sequence"]
    fields: dict[str, Value] = {
        "event.sequence": number,
        "convergence.feed.journal": event.fields.get("convergence.feed.journal"),
        "convergence.feed.gap": found,
        "convergence.feed.expected_sequence": last + 1,
        "convergence.feed.missing": number - last - 1 if found == "jump" and isinstance(number, int) else None,
        "host.name": event.fields.get("host.name"),
        "convergence.feed.domain": event.fields.get("convergence.domain"),
    }
    return EngineEvent(
        id=hashed_id(event.source, event.id, "sequence-gap"),
        source=event.source,
        kind="sequence-gap",
        time_ns=entry.ready_ns,
        fields={path: value for path, value in fields.items() if value is not None},
    )
