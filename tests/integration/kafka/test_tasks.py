"""Tasks on a real broker, driven by a bare loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.kafka.client import client_arguments
from detector.runtime.assembly import TaskMaker, read_rules
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.replaying import replay
from detector.runtime.kafka.life import Surroundings, TaskLife
from detector.runtime.kafka.poison import Poison
from detector.runtime.kafka.stage import Stage, build_stages
from detector.settings import Settings
from normalizers.context.store import ContextStore
from tests.integration.kafka.line import append, kafka_of, make_topics, read_alerts, recording, settings_for
from tests.integration.servers.kafka.broker import KafkaBroker


def stages_of(settings: Settings) -> dict[str, Stage]:
    ruleset, kafka = read_rules(settings), kafka_of(settings)
    maker = TaskMaker(settings, ruleset, ContextStore(), raw_partitions=kafka.partitions.raw)
    return build_stages(settings, kafka, ruleset, maker)


class BareLine:
    """All tasks of all stages in one process, in the order of the flow."""

    def __init__(self, settings: Settings) -> None:
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
                life = TaskLife(stage, place.partition, Surroundings(self._client, SystemClock()), Poison())
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


async def drained(settings: Settings) -> AsyncIterator[None]:
    line = BareLine(settings)
    await line.open()
    quiet = 0
    while quiet < 4:
        quiet = quiet + 1 if await line.round() < 50 else 0
    await line.close()
    yield


async def test_gives_the_same_alerts_as_embedded(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "bare", raw=2, candidates=3)
    records = recording(3_000)
    await make_topics(settings)
    await append(settings, records)
    async for _ in drained(settings):
        pass
    expected = replay(msgspec.structs.replace(settings, data_dir=tmp_path / "embedded", durable=False), records).alerts
    found = await read_alerts(settings)
    assert (found.ids, found.doubled, found.gaps) == (set(expected), 0, 0)
    assert len(expected) > 100
