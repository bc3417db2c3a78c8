"""The sense stage: raw records to events, alert drafts and candidates, as one fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec
import structlog

from connectors.record import RawRecord
from detector.candidate import Unsettled
from detector.correlation.routing import CandidateRouter
from detector.engine import Engine
from detector.errors import StateError
from detector.rules.logsources import LogSourceMap
from detector.rules.model import DetectionRule
from detector.task import DeadLetter, Feed, Heard, LogRecord, Output, PartitionClock, Record, Tick
from normalizers.clock.fixed import correct_fixed
from normalizers.context.enrich import Enricher
from normalizers.context.feeds import feed_rows
from normalizers.context.verdicts import unsettled_tables
from normalizers.errors import NormalizerError
from normalizers.event import EcsEvent, Value
from normalizers.registry import normalizer_for
from normalizers.source import SourceProfile

FEED_DATASETS = frozenset({"servicenow.change", "hr.person", "context.marker"})
"""Datasets whose events are context rows too."""

KNOWN_AFTER_NS = 500_000_000
"""A feed's rows are known this long after their record's append, so that every reader has them in time."""

MAX_INPUTS = 100_000
"""Inputs whose position is remembered; the least recently used is forgotten (its log rejects repeats by id)."""

_STATE_VERSION = b"\x01"
_encoder = msgspec.msgpack.Encoder()
_heard_decoder = msgspec.msgpack.Decoder(Heard)
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
        fed: Context tables that a feed keeps current.
    """

    engine: Engine
    logsources: LogSourceMap
    enricher: Enricher
    router: CandidateRouter
    profile_of: Callable[[str], SourceProfile]
    covering: dict[str, int]
    fed: frozenset[str]


class SenseTask:
    """Normalizes, corrects, enriches and matches the records of one raw partition."""

    def __init__(self, partition: int, generation: int, parts: SenseParts) -> None:
        self._partition = partition
        self._generation = generation
        self._parts = parts
        self._clock_ns = -(2**63)
        self._heard: dict[str, Heard] = {}
        self._positions: dict[str, int] = {}
        self._dirty: set[bytes] = set()

    def process(self, records: Sequence[LogRecord]) -> list[Output]:
        """Apply raw records and ticks in log order."""
        outputs = list[Output]()
        for entry in records:
            if isinstance(entry, Record):
                self._apply(entry, outputs)
            elif isinstance(entry, Tick):
                outputs.append(self._tick(entry))
        return outputs

    def left_out(self) -> Counter[str]:
        """Return how much did not count since the last call, by reason: for the metrics."""
        found = Counter(self._parts.router.left_out)
        self._parts.router.left_out.clear()
        return found

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what was heard of which source and how far each input has come, as far as changed."""
        for key in sorted(self._dirty):
            name = key[1:].decode()
            if key[:1] == b"h":
                yield key, _STATE_VERSION + _encoder.encode(self._heard[name])
            else:
                position = self._positions.get(name)
                yield key, None if position is None else _STATE_VERSION + _encoder.encode(position)
        self._dirty.clear()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry."""
        if state[:1] != _STATE_VERSION:
            raise StateError(f"sense state of {key!r} is of unknown version {state[:1]!r}")
        name = key[1:].decode()
        if key[:1] == b"h":
            self._heard[name] = _heard_decoder.decode(state[1:])
        else:
            self._positions[name] = msgspec.msgpack.decode(state[1:], type=int)

    def restored(self) -> None:
        """Nothing waits for the end of the restore."""

    def succeed(self, before: SenseTask) -> None:
        """Go on, under other rules, where the task before stands, which must not be used any more."""
        self._clock_ns, self._heard, self._positions = before._clock_ns, before._heard, before._positions
        self._dirty = before._dirty

    def _tick(self, tick: Tick) -> PartitionClock:
        if tick.clock_ns is not None:
            self._clock_ns = max(self._clock_ns, tick.clock_ns)
        return PartitionClock(self._partition, self._clock_ns, self._generation, tuple(self._heard.values()))

    def _apply(self, entry: Record, outputs: list[Output]) -> None:
        record = entry.record
        self._clock_ns = max(self._clock_ns, entry.ready_ns)
        if self._is_repeat(entry):
            return
        self._hear(record.source, entry.ready_ns)
        try:
            self._sense(entry, outputs)
        except NormalizerError as error:
            outputs.append(_dead_letter(record, str(error)))
        except Exception as error:  # noqa: BLE001  one of two broad catches: around one record
            _log.error(
                "record_failed", record=record.id, source=record.source, dataset=record.dataset, error=repr(error)
            )
            outputs.append(_dead_letter(record, f"internal error: {error!r}"))

    def _sense(self, entry: Record, outputs: list[Output]) -> None:
        record = entry.record
        parts = self._parts
        profile = parts.profile_of(record.source)
        caused = list[Output]()
        for event in normalizer_for(record.dataset)(record, profile):
            correct_fixed(event, profile)
            if record.dataset in FEED_DATASETS:
                caused.extend(Feed(rows) for rows in feed_rows(event, entry.ready_ns + KNOWN_AFTER_NS))
            bare = dict(event.fields)
            parts.enricher.enrich(event, profile)
            caused.append(event)
            logsource = parts.logsources.of(event.dataset, event.fields)
            for rule in parts.engine.rules_for(event, logsource):
                self._match(rule, event, bare, entry.ready_ns, caused)
        outputs.extend(caused)

    def _match(
        self, rule: DetectionRule, event: EcsEvent, bare: dict[str, Value], ready_ns: int, caused: list[Output]
    ) -> None:
        tables = unsettled_tables(event.fields, rule.field_paths, self._parts.fed)
        unsettled = None
        if tables:
            unsettled = Unsettled(tables, msgspec.structs.replace(event, fields=bare))
        caused.extend(self._parts.router.outputs_for(rule, event, ready_ns, unsettled))

    def _is_repeat(self, entry: Record) -> bool:
        if entry.input is None or entry.position is None:
            return False
        if entry.position <= self._positions.get(entry.input, -1):
            return True
        self._positions.pop(entry.input, None)
        self._positions[entry.input] = entry.position
        self._dirty.add(b"i" + entry.input.encode())
        if len(self._positions) > MAX_INPUTS:
            oldest = next(iter(self._positions))
            del self._positions[oldest]
            self._dirty.add(b"i" + oldest.encode())
        return False

    def _hear(self, source: str, ready_ns: int) -> None:
        expectation_ns = self._parts.covering.get(source)
        if expectation_ns is None:
            return
        before = self._heard.get(source)
        gap = before is None or ready_ns - before.last_ns > expectation_ns
        start_ns = ready_ns if before is None or gap else before.run_start_ns
        self._heard[source] = Heard(source, ready_ns, start_ns)
        self._dirty.add(b"h" + source.encode())


def _dead_letter(record: RawRecord, error: str) -> DeadLetter:
    return DeadLetter(
        id=record.id,
        stage="normalize",
        source=record.source,
        dataset=record.dataset,
        received_ns=record.received_ns,
        error=error,
        value=record.value,
    )
