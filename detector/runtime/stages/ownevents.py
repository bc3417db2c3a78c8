"""Engine events that were taken before: two tasks may notice one thing, and give it one id."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from detector.task import ENGINE_SOURCE, Record

KEPT_NS = 24 * 3_600 * 10**9
"""What is noticed again after so long is news, as with every input that names its records."""

MAX_KEPT = 100_000
"""Ids remembered, about 100 bytes each; of more, the oldest are forgotten."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(int)


class OwnEvents:
    """Remembers the records by which the engine told of itself."""

    def __init__(self) -> None:
        self._ready_ns: dict[str, int] = {}
        self._dirty: set[str] = set()

    def is_repeat(self, entry: Record) -> bool:
        """Tell whether the engine has said this before; what others say is never a repeat."""
        if entry.record.source != ENGINE_SOURCE:
            return False
        self._forget(entry.ready_ns - KEPT_NS)
        if entry.record.id in self._ready_ns:
            return True
        self._ready_ns[entry.record.id] = entry.ready_ns
        self._dirty.add(entry.record.id)
        return False

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call."""
        for record_id in sorted(self._dirty):
            ready_ns = self._ready_ns.get(record_id)
            yield b"e" + record_id.encode(), None if ready_ns is None else _encoder.encode(ready_ns)
        self._dirty.clear()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry."""
        self._ready_ns[key[1:].decode()] = _decoder.decode(state)

    def restored(self) -> None:
        """Bring ids into the order in which they are forgotten."""
        self._ready_ns = dict(sorted(self._ready_ns.items(), key=lambda each: (each[1], each[0])))

    def succeed(self, before: OwnEvents) -> None:
        """Go on, under other rules, with what another one remembers."""
        self._ready_ns, self._dirty = before._ready_ns, before._dirty

    def _forget(self, before_ns: int) -> None:
        while self._ready_ns:
            oldest = next(iter(self._ready_ns))
            if self._ready_ns[oldest] >= before_ns and len(self._ready_ns) < MAX_KEPT:
                return
            del self._ready_ns[oldest]
            self._dirty.add(oldest)
