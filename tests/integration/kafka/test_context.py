"""Context on Kafka: published once, read whole, and waited for."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from connectors.kafka.client import client_arguments
from connectors.record import RawRecord
from detector.demo.script import PLANT
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.replaying import replay
from detector.runtime.kafka.contextfiles import publish_tables
from detector.runtime.kafka.contextlog import STILL_S, ContextLog
from detector.runtime.kafka.ends import Ends
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings, load_settings
from detector.task import ENGINE_SOURCE, PartitionClock, Record
from normalizers.context.store import ContextStore
from tests.integration.kafka.line import append, kafka_of, make_topics, read_alerts, settings_for
from tests.integration.kafka.workers import WorkerProcess, until_quiet
from tests.integration.servers.kafka.broker import KafkaBroker


async def test_tables_are_published_once_and_read_whole(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "tables")
    await make_topics(settings)
    folder = shutil.copytree(PLANT / "context", tmp_path / "context")
    first = await publish_tables(kafka_of(settings), folder, SystemClock())
    assert {"assets", "people", "zones"} <= set(first)
    assert await publish_tables(kafka_of(settings), folder, SystemClock()) == []
    (folder / "vendors.csv").write_text((folder / "vendors.csv").read_text() + "\n")
    assert await publish_tables(kafka_of(settings), folder, SystemClock()) == ["vendors"]
    store = ContextStore()
    log, ends = _log(settings, store, feeding=range(0))
    await ends.start()
    await log.start()
    assert store.assets is not None
    assert log.admit(_received(SystemClock().now_ns()))
    await log.stop()
    await ends.stop()


async def test_records_wait_for_the_clocks_of_feeds(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "waiting")
    await make_topics(settings)
    log, ends = _log(settings, ContextStore(), feeding=range(2))
    await ends.start()
    await log.start()
    now_ns = SystemClock().now_ns()
    assert log.admit(_received(now_ns)) is None
    assert log.admit(PartitionClock(0, now_ns, 1)) is None
    log._take(PartitionClock(0, now_ns, 1))
    log._settle()
    assert log.admit(_received(now_ns)) is None, "one of two feeding partitions has not come so far"
    log._take(PartitionClock(1, now_ns - 10**9, 1))
    log._settle()
    assert log.admit(_received(now_ns - 500_000_000)) == _received(now_ns - 500_000_000)
    assert log.admit(_received(now_ns - 499_999_999)) is None
    log._take(PartitionClock(1, now_ns - 9 * 10**8, 1))
    log._settle()
    _goes_on_while_it_stands_still(log, now_ns)
    await log.stop()
    await ends.stop()


def _goes_on_while_it_stands_still(log: ContextLog, now_ns: int) -> None:
    log._moved_s -= STILL_S
    log._judge()
    assert log.admit(_received(now_ns)) is None, "a process that slept looks again first"
    log._judge()
    gone_on = log.admit(_received(now_ns))
    assert isinstance(gone_on, Record)
    assert gone_on.known_to_ns == now_ns - 4 * 10**8
    assert log.is_behind
    log._take(PartitionClock(1, now_ns, 1))
    log._settle()
    assert log.admit(_received(now_ns)) == _received(now_ns)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("ISTHMUS_LONG"), reason="plays the demo's day first; ISTHMUS_LONG=1 runs it")
async def test_the_demo_day_gives_its_alerts(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings, records = await _demo_day(tmp_path, kafka)
    await make_topics(settings)
    await append(settings, records)
    assert await publish_tables(kafka_of(settings), tmp_path / "context", SystemClock())
    workers = [WorkerProcess(tmp_path / "isthmus.yml", f"w{number}") for number in range(2)]
    await until_quiet(settings, quiet_s=12, timeout_s=150)
    assert [worker.stop() for worker in workers] == [0, 0]
    again = msgspec.structs.replace(settings, data_dir=tmp_path / "again", durable=False)
    found = await read_alerts(settings)
    assert (found.ids, found.doubled, found.gaps) == (set(replay(again, records).alerts), 0, 0)


async def _demo_day(folder: Path, kafka: KafkaBroker) -> tuple[Settings, list[Record]]:
    play = await asyncio.create_subprocess_exec("isthmus", "demo", "--data", str(folder))
    assert await play.wait() == 0
    settings = folder / "isthmus.yml"
    text = settings.read_text().replace("http: {port: 0}", "http: {enabled: false}")
    settings.write_text(
        f"{text}\nkafka:\n  connection: {{brokers: ['{kafka.bootstrap}'], plaintext: true}}\n  prefix: demo\n"
        "  replication: 1\n  partitions: {raw: 4, candidates: 3}\n"
    )
    log = RawLog(folder / "data" / "raw.db", SystemClock(), partitions=2, durable=False)
    # To the millisecond, as a broker stamps them; what the engine noticed it notices again.
    records = [
        msgspec.structs.replace(each.entry, ready_ns=each.entry.ready_ns // 10**6 * 10**6)
        for each in log.read(0, 1_000_000)
        if each.entry.record.source != ENGINE_SOURCE
    ]
    log.close()
    return load_settings(settings), records


def _log(settings: Settings, store: ContextStore, *, feeding: range) -> tuple[ContextLog, Ends]:
    kafka = kafka_of(settings)
    client = client_arguments(kafka.connection, "test")
    ends = Ends(client, SystemClock())
    return ContextLog(client, TopicNames(kafka.prefix).context, ends, SystemClock(), store, feeding, 60.0), ends


def _received(received_ns: int) -> Record:
    return Record(RawRecord("id", "source", "dataset", received_ns, b""), received_ns)
