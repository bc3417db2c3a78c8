"""Any number of workers gives the alerts of the embedded engine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from detector.runtime.embedded.replaying import replay
from tests.integration.kafka.line import append, make_topics, read_alerts, recording, settings_for
from tests.integration.kafka.workers import WorkerProcess, until_quiet
from tests.integration.servers.kafka.broker import KafkaBroker


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_same_alerts_as_embedded(kafka: KafkaBroker, tmp_path: Path, count: int) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, f"workers{count}")
    records = recording(6_000)
    await make_topics(settings)
    await append(settings, records)
    workers = [WorkerProcess(tmp_path / "isthmus.yml", f"w{number}") for number in range(count)]
    try:
        await until_quiet(settings)
        assert [worker.stop() for worker in workers] == [0] * count
    finally:
        for worker in workers:
            worker.kill()
    expected = replay(msgspec.structs.replace(settings, data_dir=tmp_path / "embedded", durable=False), records).alerts
    found = await read_alerts(settings)
    assert (found.ids, found.doubled, found.gaps) == (set(expected), 0, 0)
