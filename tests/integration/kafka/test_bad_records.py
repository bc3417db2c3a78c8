"""Records that nobody can read, that a task fails on, that no broker takes: kept as dead letters, the rest goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from connectors.kafka.client import client_arguments
from detector.runtime.clock import SystemClock
from detector.runtime.kafka import life, ownership
from detector.runtime.kafka.ownership import Chunk, Ownership
from detector.runtime.kafka.stage import Stage
from detector.runtime.kafka.surroundings import Surroundings
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from detector.task import LogRecord, Output, Record, Task
from tests.integration.kafka.line import append, kafka_of, make_topics, read_all, recording, settings_for
from tests.integration.kafka.test_tasks import stages_of
from tests.integration.servers.kafka.broker import KafkaBroker


class Fragile:
    """A task that fails on one record, after it has changed."""

    def __init__(self, task: Task, bad: str) -> None:
        self._task, self._bad = task, bad

    def process(self, records: Sequence[LogRecord]) -> list[Output]:
        """Apply, and fail where the bad record is among them."""
        outputs = self._task.process(records)
        if any(isinstance(each, Record) and each.record.id == self._bad for each in records):
            raise ZeroDivisionError(self._bad)
        return outputs

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """As the task."""
        return self._task.dirty()

    def restore(self, key: bytes, state: bytes) -> None:
        """As the task."""
        self._task.restore(key, state)

    def restored(self) -> None:
        """As the task."""
        self._task.restored()


async def _work_off(settings: Settings, stage: Stage, count: int) -> None:
    """Run the only task of a stage until it stands behind `count` records."""
    client = client_arguments(kafka_of(settings).connection, "test")
    failures = list[BaseException]()
    owned = Ownership(stage, Surroundings(client, SystemClock()), checkpoint_s=0.1, on_failure=failures.append)
    await owned.assign([0])
    place = TopicPartition(stage.topic, 0)
    deadline_s = time.monotonic() + 60
    async with AIOKafkaConsumer(**client, isolation_level="read_committed", enable_auto_commit=False) as reader:
        reader.assign([place])
        while not failures and time.monotonic() < deadline_s:
            for each in owned.unsought().values():
                reader.seek(place, each.position)
                each.sought = each.turn
            reading = owned.readable()
            if 0 in reading and reading[0].life.position >= count and not reading[0].life.is_touched:
                break
            if 0 in reading:
                for records in (await reader.getmany(timeout_ms=100)).values():
                    owned.apply(Chunk(reading[0].life, reading[0].turn, records))
            await asyncio.sleep(0.05)
    await owned.close(timeout_s=5)
    assert failures == []


async def test_bad_records_hold_up_nothing(kafka: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "REOPEN_S", 0.1)
    monkeypatch.setattr(life, "MAX_RECORD_BYTES", 5_000)
    settings = settings_for(tmp_path, kafka.bootstrap, "bad", raw=1, candidates=1)
    await make_topics(settings)
    records = recording(60)
    names = TopicNames("bad")
    await append(settings, records[:20])
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        await producer.send_and_wait(names.raw, b"no headers", key=b"site/9", partition=0)
    await append(settings, records[20:])
    large = msgspec.structs.replace(records[59].record, id="large", value=b"\xff" * 6_000)
    await append(settings, [msgspec.structs.replace(records[59], record=large)])
    sense = stages_of(settings)["sense"]
    bad = records[40].record.id
    fragile = msgspec.structs.replace(sense, make=lambda *each: Fragile(sense.make(*each), bad))
    await _work_off(settings, fragile, 62)

    letters = [
        (each.headers["stage"].decode(), each.value, each.headers["error"].decode())
        for each in await read_all(kafka.bootstrap, names.dead_letters)
    ]
    assert sorted(letters, key=str) == sorted(
        [
            ("sense", b"no headers", "bad.raw.v1/0/20: is no raw record: KeyError('id')"),
            ("sense", records[40].record.value, f"bad.raw.v1/0/41: the task failed on it: ZeroDivisionError('{bad}')"),
            ("sense", large.value[:2_500], "for bad.dlq.v1: larger than 5000 bytes"),
        ],
        key=str,
    )
    candidates = await read_all(kafka.bootstrap, names.candidates)
    assert len(candidates) > 30
