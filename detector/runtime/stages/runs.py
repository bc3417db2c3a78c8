"""In which stretches of time a covering source was heard, in sync and without a gap above its expectation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from detector.task import Heard
from normalizers.event import EcsEvent

IN_SYNC = frozenset({"synced", "estimated"})
"""States of a clock that place an event well enough to say that it, and no other, happened."""


class _Run(msgspec.Struct, array_like=True):
    """The present run of a source.

    Attributes:
        last_ns: Ready time of its last record that could be read.
        start_ns: Of the first one; None while the source's clock is in doubt.
    """

    last_ns: int
    start_ns: int | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Run)


class Runs:
    """Follows the present run of each covering source; a record that could not be read covers nothing.

    Args:
        covering: Sources whose liveness some absence asks for, with their expectation in ns.
    """

    def __init__(self, covering: Mapping[str, int]) -> None:
        self._covering = covering
        self._runs: dict[str, _Run] = {}
        self._news: dict[str, Heard] = {}
        self._ended: list[Heard] = []
        self._dirty: set[str] = set()

    def hear(self, source: str, ready_ns: int, events: Sequence[EcsEvent]) -> None:
        """Take a record that was read; one without events leaves the state of its source's clock as it was."""
        expectation_ns = self._covering.get(source)
        if expectation_ns is None:
            return
        run = self._runs.get(source)
        in_sync = all(event.fields.get("convergence.clock.status") in IN_SYNC for event in events)
        if not events:
            in_sync = run is None or run.start_ns is not None
        start_ns = ready_ns if in_sync else None
        if run is not None and run.start_ns is not None:
            if in_sync and ready_ns - run.last_ns <= expectation_ns:
                start_ns = run.start_ns
            else:
                self._ended.append(Heard(source, run.last_ns, run.start_ns))
                self._news.pop(source, None)
        self._runs[source] = _Run(ready_ns, start_ns)
        if start_ns is not None:
            self._news[source] = Heard(source, ready_ns, start_ns)
        self._dirty.add(source)

    @property
    def has_ended(self) -> bool:
        """Whether a run ended that was not yet told."""
        return bool(self._ended)

    def take(self) -> tuple[Heard, ...]:
        """Return runs that ended or went on since the last call, in the order of their begin for each source."""
        news = (*self._ended, *self._news.values())
        self._ended, self._news = [], {}
        return news

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call."""
        for source in sorted(self._dirty):
            yield b"h" + source.encode(), _encoder.encode(self._runs[source])
        self._dirty.clear()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry."""
        self._runs[key[1:].decode()] = _decoder.decode(state)

    def succeed(self, before: Runs) -> None:
        """Go on, under other rules, with the runs of another one."""
        self._runs, self._dirty = before._runs, before._dirty
