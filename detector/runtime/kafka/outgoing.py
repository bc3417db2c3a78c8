"""Where each output of a task goes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.record import RawRecord, hashed_id
from detector.alert import Alert, AlertDraft
from detector.alerting.contract import alert_headers, alert_value
from detector.alerting.events import event_fields
from detector.candidate import Candidate
from detector.kafkasettings import FanOut
from detector.runtime.enginelog import engine_event_value
from detector.runtime.kafka.cohesion import Cohesion
from detector.runtime.kafka.wire import (
    Headers,
    dead_letter_headers,
    encode_passed,
    raw_headers,
)
from detector.runtime.partitioner import partition_of
from detector.runtime.topics.fanning import alert_topics
from detector.runtime.topics.names import TopicNames
from detector.task import ENGINE_DATASET, ENGINE_SOURCE, DeadLetter, EngineEvent, Feed, Output, PartitionClock
from normalizers.context.rows import ContextRows
from normalizers.event import EcsEvent

_json = msgspec.json.Encoder()


class Outgoing(msgspec.Struct, frozen=True):
    """A record to be written: its place, key, value and headers; no value deletes the key."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = []


class Routing(msgspec.Struct, frozen=True):
    """What decides where outputs go.

    Attributes:
        names: Names of topics.
        raw_partitions: Of the raw log and of the events.
        candidate_partitions: Of the candidates.
        cohesion: Candidate to its partition.
        fan_out: Further topics of alerts.
        keep_events: Whether events are given out.
        bundle: Hash of the rules that decide.
    """

    names: TopicNames
    raw_partitions: int
    candidate_partitions: int
    cohesion: Cohesion
    fan_out: FanOut
    keep_events: bool
    bundle: str

    def outputs(self, stage: str) -> list[str]:
        """Return where the outputs of a stage go, but for what is rare: dead letters, what the engine notices."""
        events = [self.names.events] if self.keep_events else []
        return {
            "sense": [self.names.candidates, self.names.drafts, *events],
            "correlate": [self.names.drafts],
            "group": [self.names.alerts, *self.names.fan_outs(self.fan_out)],
        }[stage]

    def route(self, outputs: Sequence[Output], now_ns: int) -> list[Outgoing]:
        """Write outputs as records, in their order.

        Args:
            outputs: Of one task.
            now_ns: When engine events are taken into the raw log.
        """
        found = list[Outgoing]()
        for output in outputs:
            match output:
                case Candidate():
                    partition = self.cohesion.partition(output)
                    found.append(Outgoing(self.names.candidates, partition, None, encode_passed(output)))
                case PartitionClock():
                    found.extend(self._clock(output))
                case Alert():
                    found.extend(self._alert(output))
                case EcsEvent() if not self.keep_events:
                    pass
                case Feed():
                    pass  # The context stage reads feeds too, ahead of this one.
                case _:
                    found.append(self._other(output, now_ns))
        return found

    def _clock(self, clock: PartitionClock) -> list[Outgoing]:
        value = encode_passed(clock)
        topic = self.names.candidates
        return [Outgoing(topic, partition, None, value) for partition in range(self.candidate_partitions)]

    def _alert(self, alert: Alert) -> list[Outgoing]:
        key, value, headers = alert.id.encode(), alert_value(alert), alert_headers(alert)
        topics = alert_topics(self.names, self.fan_out, alert.document)
        return [Outgoing(topic, 0, key, value, headers) for topic in topics]

    def _other(self, output: Output, now_ns: int) -> Outgoing:
        names = self.names
        match output:
            case AlertDraft():
                draft = msgspec.structs.replace(output, bundle=self.bundle)
                return Outgoing(names.drafts, 0, output.alert_id.encode(), encode_passed(draft))
            case EcsEvent():
                partition = partition_of(output.source, self.raw_partitions)
                value, headers = _json.encode(event_fields(output)), [("id", output.id.encode())]
                return Outgoing(names.events, partition, output.source.encode(), value, headers)
            case DeadLetter():
                return dead_letter(names, output)
            case EngineEvent():
                return self._engine_event(output, now_ns)
        raise TypeError(f"no route for {type(output).__name__}")

    def _engine_event(self, event: EngineEvent, now_ns: int) -> Outgoing:
        key = hashed_id("key", ENGINE_SOURCE, event.id)
        record = RawRecord(key, ENGINE_SOURCE, ENGINE_DATASET, now_ns, engine_event_value(event))
        return raw_record(self.names, record, self.raw_partitions)


class ContextRouting(msgspec.Struct, frozen=True):
    """Where outputs of the context stage go: all into the context log."""

    names: TopicNames

    def outputs(self, stage: str) -> list[str]:  # noqa: ARG002  as every routing
        """Return where outputs go."""
        return [self.names.context]

    def route(self, outputs: Sequence[Output], now_ns: int) -> list[Outgoing]:  # noqa: ARG002  as every routing
        """Write outputs as records, in their order."""
        found = list[Outgoing]()
        for output in outputs:
            if isinstance(output, Feed):
                found.append(context_record(self.names, output.rows))
            elif isinstance(output, PartitionClock):
                # Under one key a partition, so that the compacted log keeps the last.
                key = b"clock/%d" % output.partition
                found.append(Outgoing(self.names.context, 0, key, encode_passed(output)))
        return found


def raw_record(
    names: TopicNames, record: RawRecord, partitions: int, position: tuple[str, int] | None = None
) -> Outgoing:
    """Write a record of the raw log.

    Args:
        names: Names of topics.
        record: The record.
        partitions: Of the raw log.
        position: Identity of an input that can be read again, and the place in it.
    """
    partition = partition_of(record.source, partitions)
    return Outgoing(names.raw, partition, record.source.encode(), record.value, raw_headers(record, position))


def dead_letter(names: TopicNames, letter: DeadLetter) -> Outgoing:
    """Write a dead letter."""
    return Outgoing(names.dead_letters, 0, letter.id.encode(), letter.value, dead_letter_headers(letter))


def context_record(names: TopicNames, rows: ContextRows) -> Outgoing:
    """Write context rows, under a key of their own: nothing of the context log may be compacted away."""
    value = encode_passed(rows)
    return Outgoing(names.context, 0, f"rows/{rows.table}/{hashed_id(value)}".encode(), value)
