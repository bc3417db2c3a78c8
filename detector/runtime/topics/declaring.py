"""How each topic must be."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.kafka.topic import Topic
from detector.duration import Duration, parse_duration
from detector.kafkasettings import KafkaSettings
from detector.runtime.topics.names import STATEFUL_STAGES, TopicNames
from detector.settings import Settings

MAX_MESSAGE_BYTES = 12 << 20
"""The longest line that an input takes is 10 MiB (`DEFAULT_LINE_BYTES`); the rest is for what goes round it."""

SAFE_REPLICATION = 3
"""Below it, the loss of one broker leaves a single copy, or none."""

_ALERTS = parse_duration("30d")
_AUDIT = parse_duration("400d")
_HEARTBEAT = parse_duration("1d")
_DEAD_LETTERS = parse_duration("30d")

_COMPACTED = {
    "cleanup.policy": "compact",
    # What is not compacted has to be read at each takeover, and the segment in use is never compacted: small ones, soon
    # closed. By default they are 1 GiB and 7 days, and are left until half of them is dead.
    "segment.bytes": str(64 << 20),
    "segment.ms": str(3_600_000),
    "min.cleanable.dirty.ratio": "0.1",
}


def declared_topics(settings: Settings, kafka: KafkaSettings) -> list[Topic]:
    """Return every topic that the engine uses, as it must be."""
    return [_declared(kafka, *each) for each in _topics(settings, kafka)]


def _topics(settings: Settings, kafka: KafkaSettings) -> Iterator[tuple[str, int, dict[str, str]]]:
    names, partitions = TopicNames(kafka.prefix), kafka.partitions
    passing = _kept(settings.retention.raw)
    # LogAppendTime: `ready_ns` is the broker's time of the append, whatever clock a producer has.
    yield names.raw, partitions.raw, {**passing, "message.timestamp.type": "LogAppendTime"}
    yield names.events, partitions.raw, passing
    yield names.candidates, partitions.candidates, passing
    yield names.drafts, 1, passing
    yield names.context, 1, _COMPACTED
    yield names.alerts, 1, _kept(_ALERTS)
    for name in names.fan_outs(kafka.fan_out):
        yield name, 1, _kept(_ALERTS)
    yield names.test_alerts, 1, _kept(_HEARTBEAT)
    yield names.heartbeat, 1, _kept(_HEARTBEAT)
    yield names.audit, 1, _kept(_AUDIT)
    yield names.dead_letters, 1, _kept(_DEAD_LETTERS)
    for stage in STATEFUL_STAGES:
        yield names.state(stage), _tasks(stage, kafka), _COMPACTED


def _tasks(stage: str, kafka: KafkaSettings) -> int:
    """Return how many tasks a stage has: one a partition of what it reads."""
    return {"context": kafka.partitions.raw, "sense": kafka.partitions.raw, "group": 1}.get(
        stage, kafka.partitions.candidates
    )


def _declared(kafka: KafkaSettings, name: str, partitions: int, config: dict[str, str]) -> Topic:
    # With three copies two must have a record before it counts; with fewer, one lost broker would stop all writing.
    in_sync = 2 if kafka.replication >= SAFE_REPLICATION else 1
    everywhere = {"min.insync.replicas": str(in_sync), "max.message.bytes": str(MAX_MESSAGE_BYTES)}
    return Topic(name, partitions, kafka.replication, {**config, **everywhere})


def _kept(retention: Duration) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(int(retention) // 10**6)}
