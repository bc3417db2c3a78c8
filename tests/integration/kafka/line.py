"""A recorded hour at some doors, the settings for it, and the topics of one test."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from connectors.kafka.admin import administering
from connectors.record import RawRecord, hashed_id
from detector.kafkasettings import KafkaSettings
from detector.runtime.kafka.wire import raw_headers
from detector.runtime.partitioner import partition_of
from detector.runtime.topics.declaring import declared_topics
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings, load_settings
from detector.task import Record
from normalizers.timestamps import format_utc
from tests.detector.runtime.engine_process import RULES

_NAMES = ["Access denied", "Access denied", "Access denied", "Forced door", "Access granted"]


def write_settings(folder: Path, bootstrap: str, prefix: str, *, raw: int = 4, candidates: int = 4) -> Path:
    """Write rules and settings into a folder; with several brokers (addresses with commas) for three copies."""
    brokers = bootstrap.split(",")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yml").write_text(RULES.lstrip())
    path = folder / "isthmus.yml"
    path.write_text(
        f"rules: [rules.yml]\nraw_partitions: {raw}\nlateness: {{default: 1s}}\ncheckpoint: 100ms\n"
        f"http: {{enabled: false}}\nrules_cache: {{enabled: false}}\nwatch_rules: 0s\n"
        f"kafka:\n  connection: {{brokers: {brokers}, plaintext: true}}\n  prefix: {prefix}\n"
        f"  replication: {min(3, len(brokers))}\n"
        f"  partitions: {{raw: {raw}, candidates: {candidates}}}\n"
    )
    return path


def settings_for(folder: Path, bootstrap: str, prefix: str, *, raw: int = 4, candidates: int = 4) -> Settings:
    """Read the settings just written."""
    return load_settings(write_settings(folder, bootstrap, prefix, raw=raw, candidates=candidates))


def kafka_of(settings: Settings) -> KafkaSettings:
    """Return the section of settings that name Kafka."""
    assert settings.kafka is not None
    return settings.kafka


def recording(count: int, *, sources: int = 7, seed: int = 7, end_ns: int | None = None) -> list[Record]:
    """Make records of doors, in order of their append, to the millisecond as a broker stamps them."""
    draw = random.Random(seed)  # noqa: S311  a fixed recording, not a secret
    end_ms = (end_ns or time.time_ns()) // 10**6 - 60_000
    ready = sorted(draw.randrange(end_ms - 3_600_000, end_ms) for _ in range(count))
    records = list[Record]()
    for number, ready_ms in enumerate(ready):
        ready_ns = ready_ms * 10**6
        source = f"site/{draw.randrange(sources)}"
        document = {
            "time": format_utc(ready_ns - draw.randrange(900) * 10**6),
            "type": {"id": "1", "name": draw.choice(_NAMES)},
            "source": {"name": f"door-{draw.randrange(12)}"},
        }
        value = json.dumps(document).encode()
        identity = hashed_id("recorded", seed, number)
        records.append(Record(RawRecord(identity, source, "gallagher.event", ready_ns, value), ready_ns))
    return records


async def make_topics(settings: Settings, *, recorded: bool = True) -> None:
    """Create every topic as it is declared.

    Args:
        settings: With prefix and partitions.
        recorded: The raw log keeps the times it is given: a recording stays one.
    """
    kafka = kafka_of(settings)
    async with administering(kafka.connection) as admin:
        for topic in declared_topics(settings, kafka):
            config = {**topic.config, **({"message.timestamp.type": "CreateTime"} if recorded else {})}
            await admin.create(msgspec.structs.replace(topic, config=config))


async def append(settings: Settings, records: Sequence[Record]) -> None:
    """Put records into the raw log, each with its own time."""
    kafka = kafka_of(settings)
    names = TopicNames(kafka.prefix)
    async with AIOKafkaProducer(bootstrap_servers=kafka.connection.brokers, enable_idempotence=True) as producer:
        for each in records:
            await producer.send(
                names.raw,
                each.record.value,
                key=each.record.source.encode(),
                partition=partition_of(each.record.source, kafka.partitions.raw),
                timestamp_ms=each.ready_ns // 10**6,
                headers=raw_headers(each.record),
            )
        await producer.flush()


class Read(msgspec.Struct):
    """A record read back."""

    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    timestamp: int
    partition: int


async def read_all(bootstrap: str, topic: str) -> list[Read]:
    """Read what is committed in a topic, in the order of each partition."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False)
    found = list[Read]()
    async with reader:
        partitions = await _partitions(reader, topic)
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        ends = await reader.end_offsets(partitions)
        while any([await reader.position(place) < end for place, end in ends.items()]):
            for records in (await reader.getmany(timeout_ms=200)).values():
                found += [Read(r.key, r.value, dict(r.headers), r.timestamp, r.partition) for r in records]
    return found


async def _partitions(reader: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    await reader._client._wait_on_metadata(topic)
    return [TopicPartition(topic, number) for number in sorted(reader.partitions_for_topic(topic) or ())]


class AlertLog(msgspec.Struct):
    """What a subscriber has seen.

    Attributes:
        ids: Alerts.
        revisions: How many there were.
        doubled: Revisions seen more than once.
        gaps: Revisions left out.
    """

    ids: set[str]
    revisions: int
    doubled: int
    gaps: int


async def read_alerts(settings: Settings) -> AlertLog:
    """Read the alert topic as a subscriber that reads committed does."""
    kafka = kafka_of(settings)
    seen = dict[str, list[int]]()
    for each in await read_all(kafka.connection.brokers[0], TopicNames(kafka.prefix).alerts):
        seen.setdefault((each.key or b"").decode(), []).append(int(each.headers["revision"]))
    doubled = sum(len(numbers) - len(set(numbers)) for numbers in seen.values())
    gaps = sum(max(numbers) - len(set(numbers)) for numbers in seen.values())
    return AlertLog(set(seen), sum(map(len, seen.values())), doubled, gaps)
