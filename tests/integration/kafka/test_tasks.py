"""Tasks on a real broker, driven by a bare loop."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry, generate_latest

from connectors.kafka.client import client_arguments
from connectors.record import RawRecord
from detector.runtime.assembly import TaskMaker, read_rules
from detector.runtime.clock import SteppedClock, SystemClock
from detector.runtime.embedded.assembly import assemble
from detector.runtime.embedded.metrics import EngineMetrics
from detector.runtime.embedded.replaying import replay
from detector.runtime.kafka.life import TaskLife
from detector.runtime.kafka.poison import Poison
from detector.runtime.kafka.stage import Stage, build_stages
from detector.runtime.kafka.surroundings import Surroundings
from detector.runtime.metrics import TaskMetrics
from detector.settings import Settings
from detector.task import Record
from normalizers.context.store import ContextStore
from normalizers.timestamps import format_utc
from tests.integration.kafka.line import append, kafka_of, make_topics, read_alerts, recording, settings_for
from tests.integration.servers.kafka.broker import KafkaBroker


def stages_of(settings: Settings) -> dict[str, Stage]:
    ruleset, kafka = read_rules(settings), kafka_of(settings)
    maker = TaskMaker(settings, ruleset, ContextStore(), raw_partitions=kafka.partitions.raw)
    return build_stages(settings, kafka, ruleset, maker)


class BareLine:
    """All tasks of all stages in one process, in the order of the flow."""

    def __init__(self, settings: Settings, metrics: TaskMetrics | None = None) -> None:
        self._around = Surroundings(client_arguments(kafka_of(settings).connection, "bare"), SystemClock())
        if metrics is not None:
            self._around = msgspec.structs.replace(self._around, took=metrics.took)
        self._client: dict[str, Any] = client_arguments(kafka_of(settings).connection, "bare")
        self._stages = stages_of(settings)
        self._stack = AsyncExitStack()
        self.lives: dict[str, list[TaskLife]] = {}
        self._readers: dict[str, AIOKafkaConsumer] = {}

    async def open(self) -> None:
        """Make every task, and stand where it stands."""
        for name, stage in self._stages.items():
            reader = AIOKafkaConsumer(
                **self._client, isolation_level="read_committed", enable_auto_commit=False, fetch_max_wait_ms=50
            )
            self._readers[name] = await self._stack.enter_async_context(reader)
            places = [TopicPartition(stage.topic, partition) for partition in range(stage.partitions)]
            reader.assign(places)
            self.lives[name] = []
            for place in places:
                life = TaskLife(stage, place.partition, self._around, Poison())
                await life.open()
                self._stack.push_async_callback(life.close)
                reader.seek(place, life.position)
                self.lives[name].append(life)

    async def round(self) -> int:
        """Read, apply and commit once in each stage; returns how many records there were."""
        count = 0
        for name, reader in self._readers.items():
            now_ns = SystemClock().now_ns()
            taken = await reader.getmany(timeout_ms=300)
            for place, records in taken.items():
                self.lives[name][place.partition].process(records)
                count += len(records)
            for life in self.lives[name]:
                life.tick(None if taken or name != "sense" else now_ns)
                await life.checkpoint()
        return count

    async def close(self) -> None:
        """Let go of everything."""
        await self._stack.aclose()


async def drained(settings: Settings, metrics: TaskMetrics | None = None) -> AsyncIterator[None]:
    line = BareLine(settings, metrics)
    await line.open()
    quiet = 0
    while quiet < 4:
        quiet = quiet + 1 if await line.round() < 50 else 0
    await line.close()
    yield


def _odd(end_ns: int) -> list[Record]:
    """Make records of which one cannot be read, one has no key to be grouped by, and one is late."""
    late = format_utc(end_ns - 2 * 10**9)
    now = format_utc(end_ns)
    values = [
        b"no JSON",
        b'{"time":"%s","type":{"id":"1","name":"Access denied"}}' % now.encode(),
        b'{"time":"%s","type":{"id":"1","name":"Access denied"},"source":{"name":"door-1"}}' % late.encode(),
    ]
    ready_ns = end_ns // 10**6 * 10**6
    raw = [RawRecord(f"odd{n}", "site/odd", "gallagher.event", ready_ns, value) for n, value in enumerate(values)]
    return [Record(each, ready_ns) for each in raw]


def _counted(text: bytes) -> list[str]:
    """Return what does not depend on how records come in batches."""
    counted = ("isthmus_events_total", "isthmus_dead_letters_total", "isthmus_correlation", "isthmus_matching")
    return [line for line in text.decode().splitlines() if line.startswith(counted) and "_created" not in line]


def _embedded(settings: Settings, records: list[Record]) -> list[str]:
    """Return what the embedded engine counts over the same records."""
    clock, metrics = SteppedClock(0), EngineMetrics(settings.sources)
    parts = assemble(settings, clock)
    parts.rawlog.append_recorded(records)
    clock.set(records[-1].ready_ns + 86_400 * 10**9)
    for _ in range(6):
        metrics.count(parts.driver.step(clock.now_ns(), limit=1_000))
    parts.close()
    return _counted(metrics.text())


async def test_gives_the_same_alerts_and_figures_as_embedded(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "bare", raw=2, candidates=3)
    records = [*recording(3_000), *_odd(time.time_ns() - 50 * 10**9)]
    await make_topics(settings)
    await append(settings, records)
    registry = CollectorRegistry()
    async for _ in drained(settings, TaskMetrics(registry, settings.sources)):
        pass
    expected = replay(msgspec.structs.replace(settings, data_dir=tmp_path / "embedded", durable=False), records).alerts
    found = await read_alerts(settings)
    assert (found.ids, found.doubled, found.gaps) == (set(expected), 0, 0)
    assert len(expected) > 100
    counted = _counted(generate_latest(registry))
    assert counted == _embedded(
        msgspec.structs.replace(settings, data_dir=tmp_path / "counted", durable=False), records
    )
    assert {"isthmus_dead_letters_total 1.0", 'isthmus_correlation_left_out_total{reason="unkeyed"} 1.0'} <= set(
        counted
    )
    assert any(line.startswith('isthmus_correlation_late_total{source="unnamed"}') for line in counted)
