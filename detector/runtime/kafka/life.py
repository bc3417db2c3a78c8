"""One life of a task: from the fencing of the owner before until it is handed over or lost."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition

from connectors.kafka.refusals import explain_error
from detector.alert import Alert, AlertDraft
from detector.correlation.ordering import END_OF_INPUT, NOT_YET
from detector.errors import StateError, StateLostError
from detector.runtime.audit import AuditRecord, Fact
from detector.runtime.failpoint import failpoint
from detector.runtime.kafka.auditing import audit_outgoing
from detector.runtime.kafka.bundles import reached_ns
from detector.runtime.kafka.outgoing import Outgoing, dead_letter
from detector.runtime.kafka.poison import Poison
from detector.runtime.kafka.stage import Stage
from detector.runtime.kafka.state import PROGRESS_KEY, Progress, StoredState, encode_progress, read_state
from detector.runtime.kafka.surroundings import Surroundings
from detector.runtime.kafka.transaction import TIMEOUT_S, Reached, commit, discard, make_producer, offset_reached
from detector.runtime.kafka.wire import KafkaRecord, MalformedMessageError
from detector.runtime.topics.declaring import MAX_MESSAGE_BYTES
from detector.task import Bundle, DeadLetter, LogRecord, Output, PartitionClock, Tick
from normalizers.timestamps import format_utc

MAX_WAITING = 20_000
"""Outputs that may wait for a checkpoint; above it the task takes no more records until they are committed."""

MAX_RECORD_BYTES = MAX_MESSAGE_BYTES - (64 << 10)
"""What is larger never goes out: the broker would refuse it, and with it the whole transaction, again and again."""


WITNESS_S = 3_600.0
"""Kafka forgets the offsets of a group that nobody is a member of after seven days."""

_log = structlog.get_logger(__name__)


class TaskLostError(Exception):
    """A task is of no more use: memory and log may differ. A new life starts from what was committed."""


class TaskLife:
    """A task with its producer; any error ends it, and only what it committed was.

    Args:
        stage: What it is a task of.
        partition: Of the stage's input.
        around: What all tasks share.
        poison: What is known of records that the task failed on.

    Attributes:
        stage: As made by the rules that decide now.
        is_outdated: Whether the rules that are to take over need a life of their own.
        position: Offset of the next record to apply.
        turn: Raised whenever what was fetched before may no longer be applied.
        sought: The turn for which the reader stands at `position`.
        processed: Records applied in this life.
        is_touched: Whether records were applied since the last checkpoint.
        ticked_s: Monotonic time of the last tick.
        pressing: Set while an alert waits for the next checkpoint.
    """

    def __init__(self, stage: Stage, partition: int, around: Surroundings, poison: Poison) -> None:
        self.stage, self.partition = stage, partition
        self.position = 0
        self.turn = 0
        self.sought = -1
        self.processed = 0
        self.is_touched = False
        self.ticked_s = 0.0
        self.pressing = asyncio.Event()
        self._around, self._poison = around, poison
        self._waiting = deque[KafkaRecord]()
        self._taken_to = 0
        self._progress = Progress()
        self._outgoing: list[Outgoing] = []
        self._change: Bundle | None = None
        self._waived: Bundle | None = None
        self.is_outdated = False
        self._lost: BaseException | None = None
        self._producer: AIOKafkaProducer | None = None
        self._committing = asyncio.Lock()
        self._witnessed_s = -WITNESS_S

    @property
    def is_full(self) -> bool:
        """Whether so much waits, for the next checkpoint or for context, that no more should be read."""
        return max(len(self._outgoing), len(self._waiting)) >= MAX_WAITING

    @property
    def is_lost(self) -> bool:
        """Whether an error has ended it."""
        return self._lost is not None

    async def open(self) -> None:
        """Fence the owner before, then read what it committed: in this order nothing can follow what was read.

        Raises:
            StateError: What was committed cannot be read, or is no longer there.
            KafkaError: The broker cannot be used.
        """
        identity = self.stage.names.transactional_id(self.stage.name, self.partition)
        self._producer = make_producer(self._around.client, identity)
        await self._producer.start()
        stored = await read_state(self._around.client, self.stage.names.state(self.stage.name), self.partition)
        if stored.progress.generation == 0:
            await self._require_new()
        await self.resume(stored)

    async def resume(self, stored: StoredState) -> None:
        """Go on where an owner before has committed, by the rules that it was left with, if they are here."""
        if self._around.bundles is not None:
            self.stage = self._around.bundles.stage(self.stage.name, stored.progress.bundle)
        self._progress = await self._resumed(stored.progress)
        self.position = self._taken_to = self._progress.position
        self._task = self.stage.make(self.partition, self._progress.generation)
        self._look_ahead()
        await stored.restore(self._task)
        facts: dict[str, Fact] = {"stage": self.stage.name, "partition": self.partition, "position": self.position}
        self._outgoing.append(self._audited("task-taken-over", {**facts, "generation": self._progress.generation}))

    def process(self, records: Sequence[KafkaRecord]) -> None:
        """Take records of the input in their order, and apply those whose context is here.

        Args:
            records: Those taken before are left out.

        Raises:
            TaskLostError: The task failed on one of them.
        """
        fresh = [record for record in records if record.offset >= self._taken_to]
        if fresh:
            self._waiting.extend(fresh)
            self._taken_to = fresh[-1].offset + 1
            self.go_on()

    def go_on(self) -> None:
        """Apply what waits, as far as context has come.

        Raises:
            TaskLostError: The task failed.
        """
        while self._waiting and self._lost is None and not self.is_outdated:
            is_suspect = self._poison.is_suspect(self._waiting[0].offset)
            if not self._apply(1 if is_suspect else len(self._waiting)):
                return

    def tick(self, clock_ns: int | None = None) -> None:
        """Tell the task the time, and that its reader stood at the end then, if it did.

        Raises:
            TaskLostError: The task failed.
        """
        if self._lost is None and not self.is_outdated:
            self.ticked_s = time.monotonic()
            if self._waiting:
                # What waits is still to come: the partition's clock may reach it, and no further.
                clock_ns = max(self._progress.ready_ns, self._waiting[0].timestamp * 1_000_000)
            self._look_ahead()
            self._are_rules_here(None, NOT_YET if clock_ns is None else clock_ns)
        if self._lost is None and not self.is_outdated:
            self._fold([Tick(self._around.clock.now_ns(), clock_ns)], [])

    async def checkpoint(self, *, timeout_s: float = TIMEOUT_S) -> None:
        """Commit outputs, changed state and position together.

        Raises:
            TaskLostError: They may or may not be committed; a new life will know.
        """
        async with self._committing:
            if self._lost is not None:
                raise TaskLostError(f"{self._where()}: {self._lost!r}") from self._lost
            records = self._take()
            if not records or self._producer is None:
                return
            try:
                await asyncio.wait_for(commit(self._producer, records, self.stage.name, self._witness()), timeout_s)
            except asyncio.CancelledError as error:
                self._lost = error
                raise
            except Exception as error:
                self._lost = error
                raise TaskLostError(f"{self._where()}: {explain_error(error)}") from error
            self._poison.forget_before(self._progress.position)

    async def close(self) -> None:
        """Let go of the producer; what was not committed is forgotten."""
        self._lost = self._lost or TaskLostError(self._where())
        producer, self._producer = self._producer, None
        if producer is not None:
            await discard(producer)

    async def _require_new(self) -> None:
        """Refuse to begin without state where there was some.

        Raises:
            StateLostError: There was.
        """
        names, place = self.stage.names, TopicPartition(self.stage.topic, self.partition)
        reached = await offset_reached(self._around.client, names.witness(self.stage.name), place)
        if reached is not None:
            raise StateLostError(
                f"{names.state(self.stage.name)}/{self.partition} holds nothing, yet its task has read {place.topic}:"
                " it was deleted and made anew. What the task remembered is gone, and to begin anew would count again"
                " what was counted: move to new topics (docs/how-to/lost-topics.md)"
            )

    async def _resumed(self, stored: Progress) -> Progress:
        """Return where a new owner goes on: in an input that was made anew, at the beginning."""
        mine = msgspec.structs.replace(stored, generation=stored.generation + 1)
        if self._around.ends is None:
            return mine
        topic_id = await self._around.ends.topic_id(self.stage.topic)
        if stored.topic_id in (b"", topic_id):
            return msgspec.structs.replace(mine, topic_id=topic_id)
        _log.error(
            "input_made_anew", topic=self.stage.topic, partition=self.partition, read_to=stored.position,
            remedy="what was in it and not read yet is lost; the task goes on from the beginning",
        )  # fmt: skip
        return msgspec.structs.replace(mine, topic_id=topic_id, position=0)

    def _witness(self) -> Reached | None:
        """Return what says apart from the state that there is some; once an hour, before it expires."""
        if time.monotonic() - self._witnessed_s < WITNESS_S:
            return None
        self._witnessed_s = time.monotonic()
        place = TopicPartition(self.stage.topic, self.partition)
        return Reached(self.stage.names.witness(self.stage.name), place, self._progress.position)

    def _apply(self, limit: int) -> int:
        """Apply the first of what waits; returns how many records that were."""
        entries, applied = list[LogRecord](), list[KafkaRecord]()
        self._look_ahead()
        ready_ns = self._progress.ready_ns
        for record in islice(self._waiting, limit):
            now_ready_ns = max(ready_ns, record.timestamp * 1_000_000)
            entry = self._decode(record, now_ready_ns)
            if entry is not None:
                if self._around.admit is not None and (entry := self._around.admit(entry)) is None:
                    break
                if self._change is not None and not self._are_rules_here(entry, now_ready_ns, is_first=not applied):
                    break
                entries.append(entry)
            ready_ns = now_ready_ns
            applied.append(record)
        if applied:
            self._fold(entries, applied)
            for _ in applied:
                self._waiting.popleft()
            self.position = applied[-1].offset + 1
            self.processed += len(applied)
            self._progress = msgspec.structs.replace(self._progress, position=self.position, ready_ns=ready_ns)
            self.is_touched = True
        return len(applied)

    def _look_ahead(self) -> None:
        """Learn which rules take over next: the task must know of them before it takes what is for them."""
        change = None if self._around.bundles is None else self._around.bundles.next(self.stage.bundle)
        if change != self._change:
            self._change = change
            if change is not None:
                self._fold([change], [])

    def _are_rules_here(self, entry: LogRecord | None, ready_ns: int, *, is_first: bool = True) -> bool:
        """Tell whether an entry is for the rules that decide now; before the first of a batch others may take over."""
        change, bundles = self._change, self._around.bundles
        if change is None or bundles is None:
            return True
        if isinstance(entry, PartitionClock) and entry.clock_ns >= change.known_at_ns and not is_first:
            return False  # those before it in the batch have not been heard yet
        reached = reached_ns(self._task, entry, ready_ns)
        if reached < change.known_at_ns:
            return True
        successor = bundles.successor(self.stage, reached)
        if successor is None and change is self._waived:
            return True
        if not is_first:
            return False
        if successor is not None:
            self._hand_over(successor, change, entry)
            return not self.is_outdated
        if not bundles.gives_up(change):
            return False
        self._waived = change
        self._fold([msgspec.structs.replace(change, known_at_ns=END_OF_INPUT)], [])
        return True

    def _hand_over(self, stage: Stage, change: Bundle, entry: LogRecord | None) -> None:
        if isinstance(entry, PartitionClock):
            # What is due before is decided by the rules before, and nothing else.
            self._fold([msgspec.structs.replace(entry, clock_ns=change.known_at_ns, sources=())], [])
        failpoint("bundle-inside")
        task = stage.make(self.partition, self._progress.generation)
        before, self.stage, self._change, self.is_touched = self.stage.bundle, stage, None, True
        if task.succeed(self._task) is False:
            self.is_outdated = True
        else:
            self._task = task
        facts: dict[str, Fact] = {
            "stage": stage.name,
            "partition": self.partition,
            "bundle": stage.bundle,
            "before": before,
        }
        self._outgoing.append(self._audited("rules-activated", facts))
        _log.info("rules_took_over", **facts, position=self.position, at=format_utc(change.known_at_ns))

    def _decode(self, record: KafkaRecord, ready_ns: int) -> LogRecord | None:
        reason = self._poison.reason(record.offset)
        if reason is None:
            try:
                return self.stage.decode(record, ready_ns)
            except MalformedMessageError as error:
                reason = str(error)
            except StateError as error:
                self._lost = error
                raise
        reason = f"{record.topic}/{record.partition}/{record.offset}: {reason}"
        self._reject(record.key, record.value, reason, record if self.stage.topic == self.stage.names.raw else None)
        return None

    def _fold(self, entries: Sequence[LogRecord], records: Sequence[KafkaRecord]) -> None:
        try:
            outputs = self._task.process(entries)
            self._around.took(self._task, outputs)
            if not self.pressing.is_set() and any(map(_presses, outputs)):
                self.pressing.set()
            self._outgoing += [
                each for each in self.stage.routing.route(outputs, self._around.clock.now_ns()) if self._fits(each)
            ]
        except Exception as error:
            self._lost = error
            self._poison.suspect([record.offset for record in records], error)
            raise TaskLostError(f"{self._where()}: {error!r}") from error

    def _fits(self, outgoing: Outgoing) -> bool:
        if len(outgoing.value or b"") <= MAX_RECORD_BYTES:
            return True
        self._reject(outgoing.key, outgoing.value, f"for {outgoing.topic}: larger than {MAX_RECORD_BYTES} bytes")
        return False

    def _reject(self, key: bytes | None, value: bytes | None, error: str, raw: KafkaRecord | None = None) -> None:
        """Keep what cannot be processed; of a raw record also what is known of it, so that it can be put back."""
        name = (key or b"").decode("utf-8", "backslashreplace")
        known = {} if raw is None else dict(raw.headers)
        letter = DeadLetter(
            id=known.get("id", name.encode()).decode("utf-8", "backslashreplace"),
            stage=self.stage.name,
            source="" if raw is None else name,
            dataset=known.get("dataset", b"").decode("utf-8", "backslashreplace"),
            received_ns=self._around.clock.now_ns(),
            error=error,
            value=(value or b"")[: MAX_RECORD_BYTES // 2],
        )
        self._outgoing.append(dead_letter(self.stage.names, letter))

    def _take(self) -> list[Outgoing]:
        """Take everything that one transaction holds, at one instant between two batches."""
        self.pressing.clear()
        topic = self.stage.names.state(self.stage.name)
        state = [Outgoing(topic, self.partition, key, value) for key, value in self._task.dirty()]
        if not (self._outgoing or state or self.is_touched):
            return []
        records, self._outgoing, self.is_touched = self._outgoing, [], False
        reached = msgspec.structs.replace(self._progress, bundle=self.stage.bundle)
        progress = Outgoing(topic, self.partition, PROGRESS_KEY, encode_progress(reached))
        return [*records, *state, progress]

    def _audited(self, action: str, facts: Mapping[str, Fact]) -> Outgoing:
        by = str(self._around.client["client_id"])
        return audit_outgoing(self.stage.names, AuditRecord(action, self._around.clock.now_ns(), by, facts))

    def _where(self) -> str:
        return f"{self.stage.name} {self.partition}"


def _presses(output: Output) -> bool:
    """Tell whether somebody waits for an output: an alert, or a rule's that alerts on one event.

    Correlations have waited for late records already, and each checkpoint may raise a revision of theirs.
    """
    return isinstance(output, Alert) or (isinstance(output, AlertDraft) and len(output.steps) == 1)
