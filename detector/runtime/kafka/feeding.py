"""The context stage: what feeds teach, read ahead of everything that waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from detector.correlation.ordering import NOT_YET
from detector.runtime.stages.sense import FEED_DATASETS, SenseTask
from detector.task import Feed, LogRecord, Output, PartitionClock, Record, Tick


class FeedTask:
    """Senses the records of feeds only, and tells how far it has come in the whole partition.

    It waits for nobody: records that wait for context wait for this task, also those of feeds themselves.

    Args:
        sense: A sense task of its own for the same partition.
    """

    def __init__(self, sense: SenseTask) -> None:
        self._sense = sense
        self._ready_ns = NOT_YET

    def process(self, records: Sequence[LogRecord]) -> list[Output]:
        """Apply raw records and ticks in log order."""
        taken = list[LogRecord]()
        for entry in records:
            if isinstance(entry, Record):
                self._ready_ns = max(self._ready_ns, entry.ready_ns)
                if entry.record.dataset in FEED_DATASETS:
                    taken.append(entry)
            elif isinstance(entry, Tick):
                taken.append(msgspec.structs.replace(entry, clock_ns=max(self._ready_ns, entry.clock_ns or NOT_YET)))
        return [output for output in self._sense.process(taken) if isinstance(output, Feed | PartitionClock)]

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed of the feeds' state."""
        return self._sense.dirty()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry."""
        self._sense.restore(key, state)

    def succeed(self, before: FeedTask) -> None:
        """Go on, under other rules, where the task before stands, which must not be used any more."""
        self._ready_ns = before._ready_ns
        self._sense.succeed(before._sense)

    def restored(self) -> None:
        """Learn that all entries have been given."""
        self._sense.restored()
