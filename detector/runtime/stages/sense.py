"""The sense stage: raw records to events, alert drafts and candidates, as one fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from connectors.record import RawRecord
from detector.candidate import Unsettled
from detector.correlation.routing import CandidateRouter
from detector.engine import Engine
from detector.rules.logsources import LogSourceMap
from detector.rules.model import DetectionRule, LogSource
from detector.runtime.stages.clocks import Clocks
from detector.runtime.stages.hearing import Hearing
from detector.runtime.stages.ownevents import OwnEvents
from detector.runtime.stages.silence import SilencePolicy
from detector.stateversion import opened, sealed
from detector.task import DeadLetter, EngineEvent, Feed, LogRecord, Output, PartitionClock, Record, Tick, Unwatched
from normalizers.clock.hindsight import Hindsight
from normalizers.context.enrich import Enricher
from normalizers.context.feeds import feed_rows
from normalizers.context.verdicts import doubt, unsettled_tables
from normalizers.errors import NormalizerError
from normalizers.event import EcsEvent, Value
from normalizers.registry import normalizer_for
from normalizers.source import SourceProfile
from normalizers.timestamps import format_utc

FEED_DATASETS = frozenset({"servicenow.change", "hr.person", "context.marker"})
"""Datasets whose events are context rows too."""

KNOWN_AFTER_NS = 500_000_000
"""A feed's rows are known this long after their record's append, so that every reader has them in time."""

MAX_INPUTS = 100_000
"""Inputs whose position is remembered; the least recently used is forgotten (its log rejects repeats by id)."""

_CANARY = "convergence.canary.domain"
_encoder = msgspec.msgpack.Encoder()
_ANY = LogSource()
_log = structlog.get_logger(__name__)


class SenseParts(msgspec.Struct, frozen=True):
    """What the sense tasks of one process share.

    Attributes:
        engine: Matches detection rules.
        logsources: Event to log source.
        enricher: Joins context.
        router: Match to candidates.
        profile_of: Settings of a source.
        covering: Sources whose liveness decides coverage, with their expectation in ns.
        silence: What is expected of every source.
        expected: By partition: sources that should be heard, to their datasets.
        fed: Context tables that a feed keeps current.
        hindsight: What is known of clocks afterwards; None but in a backtest.
    """

    engine: Engine
    logsources: LogSourceMap
    enricher: Enricher
    router: CandidateRouter
    profile_of: Callable[[str], SourceProfile]
    covering: dict[str, int]
    silence: SilencePolicy
    expected: Sequence[Mapping[str, str]]
    fed: frozenset[str]
    hindsight: Hindsight | None = None


class _Sensed(msgspec.Struct):
    """An event with its context, to be matched.

    Attributes:
        event: Corrected and enriched.
        bare: Its fields before context was joined.
        fields: What rules read of it.
        logsource: Where it comes from.
        before: What it causes beside matches.
        rules: Those that match it.
    """

    event: EcsEvent
    bare: dict[str, Value]
    fields: Mapping[str, Any]
    logsource: LogSource
    before: Sequence[Output] = ()
    rules: list[DetectionRule] = []


class _Read(msgspec.Struct):
    """A record on its way from step to step.

    Attributes:
        entry: The record.
        profile: Settings of its source.
        events: What it says.
        told: What that says of the source's clock.
        sensed: The events with their context.
        failed: Set when it cannot be read; nothing else comes of it then.
    """

    entry: Record
    profile: SourceProfile
    events: list[EcsEvent] = []
    told: list[EngineEvent] = []
    sensed: list[_Sensed] = []
    failed: DeadLetter | None = None


class SenseTask:
    """Normalizes, corrects, enriches and matches the records of one raw partition.

    Each of these is done for all records of a batch before the next: what comes of a record is the same as if it came
    alone, and a processor's caches hold one step's code and tables at a time.
    """

    def __init__(self, partition: int, generation: int, parts: SenseParts) -> None:
        self._partition = partition
        self._generation = generation
        self._parts = parts
        self._clock_ns = -(2**63)
        self._hearing = Hearing(parts.silence, parts.covering, parts.expected[partition])
        self._clocks = Clocks(parts.silence, parts.hindsight)
        self._own = OwnEvents()
        self._positions: dict[str, int] = {}
        self._dirty: set[str] = set()

    def process(self, records: Sequence[LogRecord]) -> list[Output]:
        """Apply raw records and ticks in log order."""
        steps = [self._step(entry) for entry in records if isinstance(entry, Record | Tick | Unwatched)]
        reads = [step for step in steps if isinstance(step, _Read)]
        # A normalizer sees nothing but its record, so those of one dataset may go together.
        _each(sorted(reads, key=_dataset), _normalize)
        _each(reads, self._correct)
        _each(reads, self._enrich)
        self._match([sensed for read in reads for sensed in read.sensed])
        outputs = list[Output]()
        for step in steps:
            self._tell(step, outputs)
        return outputs

    def left_out(self) -> Counter[str]:
        """Return how much did not count since the last call, by reason: for the metrics."""
        found = Counter(self._parts.router.left_out)
        self._parts.router.left_out.clear()
        return found

    def noticed(self) -> Counter[str]:
        """Return what went wrong in matching since the last call, by kind: for the metrics."""
        return self._parts.engine.noticed()

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what was heard of which source, what is known of its clock, and how far each input has come."""
        for name in sorted(self._dirty):
            position = self._positions.get(name)
            yield b"i" + name.encode(), None if position is None else sealed(_encoder.encode(position))
        self._dirty.clear()
        for key, state in (*self._hearing.dirty(), *self._clocks.dirty(), *self._own.dirty()):
            yield key, None if state is None else sealed(state)

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry."""
        body = opened(f"sense state {key!r}", state)
        if key[:1] == b"i":
            self._positions[key[1:].decode()] = msgspec.msgpack.decode(body, type=int)
        elif key[:1] == b"c":
            self._clocks.restore(key, body)
        elif key[:1] == b"e":
            self._own.restore(key, body)
        else:
            self._hearing.restore(key, body)

    def restored(self) -> None:
        """Set the timers of silence, and the order in which things are forgotten."""
        self._hearing.restored()
        self._own.restored()

    def succeed(self, before: SenseTask) -> None:
        """Go on, under other rules, where the task before stands, which must not be used any more."""
        self._clock_ns, self._positions, self._dirty = before._clock_ns, before._positions, before._dirty
        self._hearing.succeed(before._hearing)
        self._clocks.succeed(before._clocks)
        self._own.succeed(before._own)

    def _step(self, entry: Record | Tick | Unwatched) -> _Read | Record | Tick | Unwatched:
        """Return what is to be read, a record that is none but a repeat, or what tells of time."""
        if isinstance(entry, Tick | Unwatched) or self._is_repeat(entry) or self._own.is_repeat(entry):
            return entry
        return _Read(entry, self._parts.profile_of(entry.record.source))

    def _tell(self, step: _Read | Record | Tick | Unwatched, outputs: list[Output]) -> None:
        if isinstance(step, Tick):
            outputs.append(self._tick(step))
        elif isinstance(step, Unwatched):
            self._clock_ns = max(self._clock_ns, step.to_ns)
            self._hearing.listen(step)
        else:
            entry = step if isinstance(step, Record) else step.entry
            self._clock_ns = max(self._clock_ns, entry.ready_ns)
        if isinstance(step, _Read):
            outputs += self._caused(step)
            outputs += step.told
            self._hear(step)
        outputs += self._hearing.told()
        if self._hearing.has_news:
            outputs.append(self._partition_clock())

    def _tick(self, tick: Tick) -> PartitionClock:
        if tick.clock_ns is not None:
            self._clock_ns = max(self._clock_ns, tick.clock_ns)
            self._hearing.advance(self._clock_ns)
        return self._partition_clock()

    def _partition_clock(self) -> PartitionClock:
        heard, unwatched = self._hearing.heard(), self._hearing.unwatched()
        return PartitionClock(self._partition, self._clock_ns, self._generation, heard, unwatched)

    def _correct(self, read: _Read) -> None:
        try:
            trip = read.entry.record.round_trip
            for event in read.events:
                self._clocks.correct(event, read.profile, trip)
                trip = None  # one answer says it once, however many events it holds
        finally:
            read.told = self._clocks.take()

    def _enrich(self, read: _Read) -> None:
        parts = self._parts
        read.sensed = sensed = []
        for event in read.events:
            before = _fed(event, read.entry) if event.dataset in FEED_DATASETS else ()
            bare = dict(event.fields)
            parts.enricher.enrich(event, read.profile)
            if read.entry.known_to_ns is not None:
                doubt(event.fields, read.entry.known_to_ns)
            if read.profile.canary is not None:
                event.fields |= {_CANARY: read.profile.canary, "convergence.canary.round": format_utc(event.time_ns)}
            logsource = parts.logsources.of(event.dataset, event.fields) or _ANY
            sensed.append(_Sensed(event, bare, parts.engine.fields_of(event), logsource, before))

    def _hear(self, read: _Read) -> None:
        self._hearing.hear(read.entry)
        if read.failed is None:
            self._hearing.understand(read.entry, read.events)

    def _match(self, sensed: Sequence[_Sensed]) -> None:
        """Find the rules that match each event."""
        fields, logsources = [each.fields for each in sensed], [each.logsource for each in sensed]
        for row, rule in self._parts.engine.match_batch(fields, logsources):
            # A canary is nobody's act: it is matched against all rules, and counts for its own only.
            if rule.meta.is_test or _CANARY not in sensed[row].event.fields:
                sensed[row].rules.append(rule)

    def _caused(self, read: _Read) -> list[Output]:
        if read.failed is not None:
            return [read.failed]
        caused = list[Output]()
        try:
            for sensed in read.sensed:
                caused += sensed.before
                if _CANARY not in sensed.event.fields:
                    caused.append(sensed.event)
                for rule in sensed.rules:
                    caused += self._effects(rule, sensed, read.entry.ready_ns)
        except Exception as error:  # noqa: BLE001  as below
            return [_failed(read.entry.record, error)]
        return caused

    def _effects(self, rule: DetectionRule, sensed: _Sensed, ready_ns: int) -> Sequence[Output]:
        event = sensed.event
        tables = unsettled_tables(event.fields, rule.field_paths, self._parts.fed)
        unsettled = None
        if tables:
            unsettled = Unsettled(tables, msgspec.structs.replace(event, fields=sensed.bare))
        return self._parts.router.outputs_for(rule, event, ready_ns, unsettled)

    def _is_repeat(self, entry: Record) -> bool:
        if entry.input is None or entry.position is None:
            return False
        if entry.position <= self._positions.get(entry.input, -1):
            return True
        self._positions.pop(entry.input, None)
        self._positions[entry.input] = entry.position
        self._dirty.add(entry.input)
        if len(self._positions) > MAX_INPUTS:
            oldest = next(iter(self._positions))
            del self._positions[oldest]
            self._dirty.add(oldest)
        return False


def _each(reads: Iterable[_Read], step: Callable[[_Read], None]) -> None:
    """Take a step with every record that can still be read."""
    for read in reads:
        if read.failed is None:
            try:
                step(read)
            except Exception as error:  # noqa: BLE001  one of two broad catches: around one record
                read.failed, read.sensed = _failed(read.entry.record, error), []


def _dataset(read: _Read) -> str:
    return read.entry.record.dataset


def _normalize(read: _Read) -> None:
    record = read.entry.record
    read.events = normalizer_for(record.dataset)(record, read.profile)


def _fed(event: EcsEvent, entry: Record) -> list[Feed]:
    return [Feed(rows) for rows in feed_rows(event, entry.ready_ns + KNOWN_AFTER_NS)]


def _failed(record: RawRecord, error: Exception) -> DeadLetter:
    reason = str(error)
    if not isinstance(error, NormalizerError):
        reason = f"internal error: {error!r}"
        _log.error("record_failed", record=record.id, source=record.source, dataset=record.dataset, error=repr(error))
    return DeadLetter(
        id=record.id,
        stage="normalize",
        source=record.source,
        dataset=record.dataset,
        received_ns=record.received_ns,
        error=reason,
        value=record.value,
    )
