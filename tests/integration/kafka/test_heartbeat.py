"""Workers say what they do, and what nobody does."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec

from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from tests.integration.kafka.line import kafka_of, make_topics, read_all, settings_for
from tests.integration.kafka.workers import WorkerProcess
from tests.integration.servers.kafka.broker import KafkaBroker


async def test_names_raw_partitions_without_a_worker(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "unworked")
    await make_topics(settings)
    worker = WorkerProcess(tmp_path / "isthmus.yml", "lonely", stages="correlate")
    try:
        await worker.at_work()
        beat = await _beat_that_names(settings, [0, 1, 2, 3])
        assert beat["stages"]["correlate"]["partitions"] == [0, 1, 2, 3]
        assert beat["stages"]["correlate"]["open"] == [0, 1, 2, 3]
    finally:
        worker.kill()


async def _beat_that_names(settings: Settings, partitions: list[int], *, timeout_s: float = 40.0) -> dict[str, Any]:
    kafka = kafka_of(settings)
    deadline_s = time.monotonic() + timeout_s
    seen = 0
    while time.monotonic() < deadline_s:
        beats = await read_all(kafka.connection.brokers[0], TopicNames(kafka.prefix).heartbeat)
        for each in beats[seen:]:
            beat: dict[str, Any] = msgspec.json.decode(each.value or b"")
            if "correlate" in beat["stages"] and beat["raw_partitions_without_worker"] == partitions and seen:
                return beat
        seen = len(beats)
        await asyncio.sleep(0.5)
    raise TimeoutError(f"no heartbeat named {partitions}")
