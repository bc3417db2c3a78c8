"""The task protocol: each stage is a fold over one partition of one log.

A task does no I/O, reads no wall clock and knows no broker. A runtime feeds it records and commits what
`process` returned, what `dirty` yields and the input position in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from connectors.record import RawRecord
from detector.alert import Alert, AlertDraft
from detector.candidate import Candidate
from normalizers.context.rows import ContextRows
from normalizers.event import EcsEvent, Value


class Record(msgspec.Struct, frozen=True):
    """One record of the raw log.

    Attributes:
        record: The raw record.
        ready_ns: Its append time, as a running maximum per source: kept with it and reused by a replay.
        input: Identity of the input when it can be read again, else None.
        position: Position in that input.
        known_to_ns: Set when it did not wait for its context, which stood still: rows known later may be missing.
    """

    record: RawRecord
    ready_ns: int
    input: str | None = None
    position: int | None = None
    known_to_ns: int | None = None


class Tick(msgspec.Struct, frozen=True):
    """Wall time, supplied by the runtime or by a replay.

    Attributes:
        now_ns: Wall time of the reader, taken before the fetch.
        clock_ns: Set when the runtime knows that nothing with a smaller `ready_ns` follows in the task's
            partition, such as when its reader stood at the end; the task knows what it read itself.
    """

    now_ns: int
    clock_ns: int | None = None


class Unwatched(msgspec.Struct, frozen=True, order=True):
    """A stretch of time in which nobody took records in.

    Attributes:
        from_ns: Its begin; None: since ever, as before the engine first ran.
        to_ns: Its end; what comes from then on is watched.
    """

    from_ns: int | None
    to_ns: int


class Heard(msgspec.Struct, frozen=True):
    """Liveness of one source that covers some rule.

    Attributes:
        source: Logical source id.
        last_ns: When it was last heard (`ready_ns`).
        run_start_ns: Start of the run in which it has been heard without a gap above its expectation.
    """

    source: str
    last_ns: int
    run_start_ns: int


class PartitionClock(msgspec.Struct, frozen=True):
    """How far one raw partition (or one level of correlation) has come.

    Attributes:
        partition: Raw partition; for the frontier of a level, the partition of that level.
        clock_ns: Nothing with a smaller `ready_ns` follows from it.
        generation: Rises with each new owner of the partition; lower ones are ignored.
        sources: Liveness of the sources that cover rules.
        unwatched: When nobody took records in, as far as that was learned since the last clock.
    """

    partition: int
    clock_ns: int
    generation: int
    sources: tuple[Heard, ...] = ()
    unwatched: tuple[Unwatched, ...] = ()


class Bundle(msgspec.Struct, frozen=True):
    """A rule bundle takes over.

    Attributes:
        bundle_hash: Names it.
        known_at_ns: What is appended to the raw log from then on is for it.
    """

    bundle_hash: str
    known_at_ns: int


LogRecord = Record | EcsEvent | Candidate | AlertDraft | Tick | PartitionClock | ContextRows | Bundle | Unwatched


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could not be processed, kept whole.

    Attributes:
        id: Id of the raw record, or of the candidate's event.
        stage: `recognise`, `normalize`, `correlate` or a sink's name.
        source: Logical source id.
        dataset: Dataset, empty while unrecognised.
        received_ns: When it was taken.
        error: What is wrong, for a reader.
        value: The original bytes.
    """

    id: str
    stage: str
    source: str
    dataset: str
    received_ns: int
    error: str
    value: bytes


class Feed(msgspec.Struct, frozen=True):
    """Context rows learned from a raw record, on their way to the one publisher."""

    rows: ContextRows


ENGINE_SOURCE = "isthmus/engine"
"""Source of what the engine itself notices."""

ENGINE_DATASET = "engine.event"
"""Dataset of it: only the engine may write it."""

CANARY_SOURCE = "isthmus/canary/"
"""Begins the source of canaries, and ends in their domain: only the engine may send them."""


class EngineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something the engine noticed, on its way back into the raw log as a record like any other.

    Attributes:
        id: hashed_id(source, last event id, kind), so that a repeat is dropped.
        source: Logical source id it is about.
        kind: `event.action`, such as ``coverage-gap``.
        time_ns: When the condition was decided.
        fields: Further flat ECS fields.
    """

    id: str
    source: str
    kind: str
    time_ns: int
    fields: dict[str, Value]


Output = EngineEvent | EcsEvent | Candidate | AlertDraft | Alert | PartitionClock | DeadLetter | Feed
"""What a task hands on; the runtime routes by type."""


class Task(Protocol):
    """A fold over one partition of one log. Pure: no I/O, no wall clock."""

    def process(self, records: Sequence[LogRecord]) -> list[Output]:
        """Apply records in log order and return what they cause."""
        ...

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield state changed since the last call as (key, value); None deletes the key."""
        ...

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry of state.

        Raises:
            StateError: The entry is of an unknown version or not readable.
        """
        ...

    def restored(self) -> None:
        """Learn that all entries have been given."""
        ...
