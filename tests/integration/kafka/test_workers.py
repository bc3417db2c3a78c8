"""Any number of workers gives the alerts of the embedded engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from detector.runtime.embedded.replaying import replay
from detector.task import Record
from tests.integration.kafka.line import AlertLog, append, make_topics, read_alerts, recording, settings_for
from tests.integration.kafka.living import until_told
from tests.integration.kafka.workers import WorkerProcess
from tests.integration.servers.kafka.broker import KafkaBroker


async def test_same_alerts_as_embedded(kafka: KafkaBroker, tmp_path: Path) -> None:
    records = recording(6_000)
    counts = (1, 2, 4)
    settings = settings_for(tmp_path, kafka.bootstrap, "unused")
    embedded = msgspec.structs.replace(settings, data_dir=tmp_path / "embedded", durable=False)
    expected = set(replay(embedded, records).alerts)
    runs = [_alerts_of(kafka, tmp_path / f"workers{count}", count, records, expected) for count in counts]
    found = dict(zip(counts, await asyncio.gather(*runs), strict=True))
    assert {count: (each.ids, each.doubled, each.gaps) for count, each in found.items()} == dict.fromkeys(
        counts, (expected, 0, 0)
    )
    assert len(expected) > 100


async def _alerts_of(
    kafka: KafkaBroker, folder: Path, count: int, records: list[Record], expected: set[str]
) -> AlertLog:
    settings = settings_for(folder, kafka.bootstrap, folder.name)
    await make_topics(settings)
    await append(settings, records)
    workers = [WorkerProcess(folder / "isthmus.yml", f"w{number}") for number in range(count)]
    try:
        await until_told(settings, expected)
        assert [worker.stop() for worker in workers] == [0] * count
    finally:
        for worker in workers:
            worker.kill()
    return await read_alerts(settings)
