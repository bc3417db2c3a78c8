"""Drives the tasks of all stages in one process: one read, one pass, one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from detector.alert import Alert, AlertDraft
from detector.candidate import Candidate
from detector.correlation.correlator import Correlator
from detector.runtime.embedded.enginelog import engine_event_row
from detector.runtime.embedded.rawlog import LoggedRecord, RawLog
from detector.runtime.embedded.store import Checkpoint, EngineStore, StateChange
from detector.runtime.enginelog import unwatched_in
from detector.runtime.failpoint import failpoint
from detector.runtime.partitioner import partition_of
from detector.runtime.stages.group import GroupTask
from detector.runtime.stages.presence import PresenceTask
from detector.runtime.stages.sense import KNOWN_AFTER_NS, SenseTask
from detector.task import (
    DeadLetter,
    EngineEvent,
    Feed,
    LogRecord,
    Output,
    PartitionClock,
    Task,
    Tick,
)
from normalizers.context.rows import ContextRows
from normalizers.event import EcsEvent


class Stages(msgspec.Struct, frozen=True):
    """The tasks of one process.

    Attributes:
        sense: One a raw partition.
        correlate: One a candidate partition; each runs all levels.
        group: The one group task.
        presence: The one task that keeps who was seen where.
    """

    sense: Sequence[SenseTask]
    correlate: Sequence[Correlator]
    group: GroupTask
    presence: PresenceTask


class Progress(msgspec.Struct):
    """What one pass did.

    Attributes:
        records: Raw records applied.
        events: Events made of them.
        at_end: Nothing was left to read.
        alerts: Revisions of alerts.
        dead_letters: Dead letters.
        left_out: Matches that did not count in a correlation, by reason.
        late: Matches that came later than the lateness of their correlation, by source.
        noticed: What went wrong in matching, by kind.
    """

    records: int = 0
    events: int = 0
    at_end: bool = True
    alerts: list[Alert] = []
    dead_letters: int = 0
    left_out: Counter[str] = msgspec.field(default_factory=Counter)
    late: Counter[str] = msgspec.field(default_factory=Counter)
    noticed: Counter[str] = msgspec.field(default_factory=Counter)


class Driver:
    """Feeds the tasks from the raw log and commits what they cause.

    Outputs of one stage are handed to the next inside the same transaction, so the logs between them need
    no table: after a crash the whole pass is done again from the committed position.

    Attributes:
        position: Offset of the last record applied.
        holds_clocks: Correlations are not told how far time has come: something from before is still to be read.
    """

    def __init__(  # noqa: PLR0913  what a driver drives
        self,
        rawlog: RawLog,
        store: EngineStore,
        stages: Stages,
        apply_context: Callable[[ContextRows], None],
        *,
        feeds: frozenset[str],
        keep_events: bool = False,
    ) -> None:
        self._rawlog = rawlog
        self._store = store
        self._stages = stages
        self._apply_context = apply_context
        self._feeds = feeds
        self._keep_events = keep_events
        self.position = store.position()
        self._pending = Checkpoint(self.position)
        self._batch_was_read = False
        self._ahead: list[LoggedRecord] = []
        self.holds_clocks = False
        self._held: list[Output] = []

    def restore(self) -> None:
        """Give every task its stored state back."""
        for stage, partition, task in self._named_tasks():
            self._restore(stage, partition, task)

    def adopt(self, stages: Stages) -> None:
        """Go on from here with tasks under other rules: what those before decided is committed first.

        Whatever they take over, the next record finds what it would find after a restart with these rules.
        """
        self.checkpoint()
        failpoint("reload-inside")
        before, self._stages = self._stages, stages
        for sense, old in zip(stages.sense, before.sense, strict=True):
            sense.succeed(old)
        stages.group.succeed(before.group)
        stages.presence.succeed(before.presence)
        for partition, (correlate, former) in enumerate(zip(stages.correlate, before.correlate, strict=True)):
            if not correlate.succeed(former):
                self._restore("correlate", partition, correlate)

    def _restore(self, stage: str, partition: int, task: Task) -> None:
        for key, value in self._store.state(stage, partition):
            task.restore(key, value)
        task.restored()

    def step(self, now_ns: int, *, limit: int = 2_000) -> Progress:
        """Read one batch, pass it through all stages and add it to the open checkpoint.

        Args:
            now_ns: Wall time, for the tasks' ticks.
            limit: Most records of one batch.
        """
        frontier_ns = self._rawlog.frontier_ns()
        batch = self._read(limit)
        progress = Progress(records=len(batch), at_end=not batch)
        # Appends are in order of time over all partitions, so what was read bounds every one of them.
        tick = Tick(now_ns, clock_ns=batch[-1].entry.ready_ns if batch else frontier_ns)
        outputs = self._without_clocks(self._run_sense(batch, tick))
        candidates = [list[LogRecord]() for _ in self._stages.correlate]
        drafts = list[LogRecord]()
        self._route(outputs, candidates, drafts, progress)
        self._run_correlate(candidates, drafts, tick, progress)
        group_outputs = self._stages.group.process([*drafts, tick])
        self._route(group_outputs, candidates, drafts, progress)
        self._stages.presence.process([each for each in outputs if isinstance(each, EcsEvent)])
        progress.left_out.update(self._stages.presence.left_out())
        for sense in self._stages.sense:
            progress.left_out.update(sense.left_out())
            progress.noticed.update(sense.noticed())
        for correlate in self._stages.correlate:
            progress.left_out.update(correlate.left_out())
            progress.late.update(correlate.late())
        if batch:
            self.position = batch[-1].offset
        return progress

    def checkpoint(self) -> None:
        """Commit everything since the last checkpoint in one transaction; nothing to do is nothing done."""
        pending = self._pending
        pending.position = self.position
        pending.watched_ns = self._rawlog.frontier_ns()
        for stage, partition, task in self._named_tasks():
            entries = list(task.dirty())
            if entries:
                pending.states.append(StateChange(stage, partition, entries))
        if self._batch_was_read or pending.states or pending.alerts or pending.dead_letters or pending.engine_events:
            self._store.commit(pending)
        self._pending = Checkpoint(self.position)
        self._batch_was_read = False

    @property
    def is_committed(self) -> bool:
        """Whether every alert handed out so far is committed."""
        return not self._pending.alerts

    def _named_tasks(self) -> list[tuple[str, int, Task]]:
        return [
            *(("sense", i, task) for i, task in enumerate(self._stages.sense)),
            *(("correlate", i, task) for i, task in enumerate(self._stages.correlate)),
            ("group", 0, self._stages.group),
            ("presence", 0, self._stages.presence),
        ]

    def _read(self, limit: int) -> list[LoggedRecord]:
        """Read on, and stop before a record that must first see what a feed record of this batch taught.

        A record must wait while its `received_ns` is above the context log's stable time. Here the feed's
        rows are known `KNOWN_AFTER_NS` after its own append, and appends are in order of time, so holding is
        cutting the batch.
        """
        batch = self._ahead or self._rawlog.read(self.position, limit)
        self._ahead = []
        horizon_ns: int | None = None
        for index, logged in enumerate(batch):
            if horizon_ns is not None and logged.entry.record.received_ns >= horizon_ns:
                self._ahead = batch[index:]
                return batch[:index]
            if logged.entry.record.dataset in self._feeds and horizon_ns is None:
                horizon_ns = logged.entry.ready_ns + KNOWN_AFTER_NS
        return batch

    def _run_sense(self, batch: list[LoggedRecord], tick: Tick) -> list[Output]:
        self._batch_was_read = self._batch_was_read or bool(batch)
        shares = [list[LogRecord]() for _ in self._stages.sense]
        for logged in batch:
            if (away := unwatched_in(logged.entry.record)) is not None:
                # It is about every source, and in the raw log so that a replay finds it at the same place.
                for share in shares:
                    share.append(away)
            shares[logged.partition].append(logged.entry)
        outputs = list[Output]()
        for task, share in zip(self._stages.sense, shares, strict=True):
            outputs.extend(task.process([*share, tick]))
        return outputs

    def _without_clocks(self, outputs: list[Output]) -> list[Output]:
        """Hold clocks back, or let those that were held go first."""
        if not self.holds_clocks:
            held, self._held = self._held, []
            return [*held, *outputs]
        self._held += [each for each in outputs if isinstance(each, PartitionClock)]
        return [each for each in outputs if not isinstance(each, PartitionClock)]

    def _run_correlate(
        self, candidates: list[list[LogRecord]], drafts: list[LogRecord], tick: Tick, progress: Progress
    ) -> None:
        for task, share in zip(self._stages.correlate, candidates, strict=True):
            share.append(tick)
            self._route(task.process(share), candidates, drafts, progress)

    def _route(  # noqa: C901  one case a type of output
        self,
        outputs: Sequence[Output],
        candidates: list[list[LogRecord]],
        drafts: list[LogRecord],
        progress: Progress,
    ) -> None:
        pending = self._pending
        for output in outputs:
            match output:
                case EcsEvent():
                    progress.events += 1
                    if self._keep_events:
                        pending.events.append(output)
                case Candidate():
                    candidates[self._candidate_partition(output)].append(output)
                case PartitionClock():
                    for share in candidates:
                        share.append(output)
                case AlertDraft():
                    drafts.append(output)
                case Alert():
                    pending.alerts.append(output)
                    progress.alerts.append(output)
                case DeadLetter():
                    pending.dead_letters.append(output)
                    progress.dead_letters += 1
                case Feed():
                    pending.context.append(output.rows)
                    self._apply_context(output.rows)
                case EngineEvent():
                    pending.engine_events.append(engine_event_row(output))

    def _candidate_partition(self, candidate: Candidate) -> int:
        count = len(self._stages.correlate)
        if count == 1:
            return 0
        key = "\x00".join((candidate.correlation_id, *(part or "\x01" for part in candidate.group)))
        return partition_of(key, count)
