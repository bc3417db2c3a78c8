"""Alerts from the alert topic of a real broker to a real search server."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from elasticsearch import Elasticsearch

from connectors.elasticsearch.settings import Elasticsearch as Connection
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from tests.integration.elasticsearch.delivering import holdings
from tests.integration.kafka.line import append, kafka_of, make_topics, read_all, recording, settings_for
from tests.integration.kafka.workers import WorkerProcess, until_quiet
from tests.integration.servers.elasticsearch.node import ElasticsearchNode
from tests.integration.servers.kafka.broker import KafkaBroker

STRANGE = b"not ours"


async def _latest(settings: Settings) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return the last revision of each alert in the topic."""
    kafka = kafka_of(settings)
    read = await read_all(kafka.connection.brokers[0], TopicNames(kafka.prefix).alerts)
    found = dict[str, tuple[int, dict[str, Any]]]()
    for each in read:
        if each.key == STRANGE:
            continue
        revision, alert_id = int(each.headers["revision"]), (each.key or b"").decode()
        if revision > found.get(alert_id, (0, {}))[0]:
            found[alert_id] = revision, msgspec.json.decode(each.value or b"")
    return found


async def _until_held(admin: Elasticsearch, expected: dict[str, tuple[int, dict[str, Any]]], within_s: float) -> float:
    """Wait until the cluster holds each alert once, at its last revision and field for field; returns seconds."""
    began_s = time.monotonic()
    while True:
        held = {key: (each["_version"], each["_source"]) for key, each in holdings(admin).items()}
        for _, document in held.values():
            document["event"].pop("ingested", None)
        if held == expected or time.monotonic() - began_s > within_s:
            assert held == expected
            return time.monotonic() - began_s
        await asyncio.sleep(0.2)


def _with_sink(settings: Settings, path: Path, connection: Connection) -> None:
    sink = {"type": "elasticsearch", "connection": json.loads(msgspec.json.encode(connection, enc_hook=str))}
    with path.open("a") as file:
        file.write(f"sinks: [{json.dumps(sink)}]\n")
    assert settings.sinks == []


async def _disturb(kafka: KafkaBroker, names: TopicNames) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as stranger:
        await stranger.send_and_wait(names.alerts, b"[1]", key=STRANGE, headers=[("revision", b"one")], partition=0)


async def test_two_sinks_of_one_name_are_refused(kafka: KafkaBroker, tmp_path: Path) -> None:
    """They would share a consumer group, and each would get half of the alerts."""
    settings_for(tmp_path, kafka.bootstrap, "twins")
    with (tmp_path / "isthmus.yml").open("a") as file:
        file.write("sinks: [{type: ndjson, path: a}, {type: ndjson, path: b}]\n")
    worker = WorkerProcess(tmp_path / "isthmus.yml", "w", stages="deliver")
    assert worker.process.wait(30) == 2
    assert "each needs a name of its own" in worker.log.read_text()


async def test_alerts_of_the_topic_arrive_whatever_dies(
    kafka: KafkaBroker, search: ElasticsearchNode, admin: Elasticsearch, connection: Connection, tmp_path: Path
) -> None:
    """Workers are killed and the search server hangs meanwhile; a record that is no alert holds up nothing."""
    settings = settings_for(tmp_path, kafka.bootstrap, "delivered", raw=2, candidates=2)
    path, names = tmp_path / "isthmus.yml", TopicNames("delivered")
    _with_sink(settings, path, connection)
    await make_topics(settings)
    records = recording(3_000)
    workers = [WorkerProcess(path, "tasks", stages="sense,correlate,group"), WorkerProcess(path, "a", stages="deliver")]
    try:
        await append(settings, records[:1_500])
        await until_quiet(settings, quiet_s=1.5)
        await _until_held(admin, await _latest(settings), within_s=30)
        search.pause()
        await _disturb(kafka, names)
        await append(settings, records[1_500:])
        await until_quiet(settings, quiet_s=1.5)
        workers[1].kill()
        search.resume()
        workers.append(WorkerProcess(path, "b", stages="deliver"))
        expected = await _latest(settings)
        took_s = await _until_held(admin, expected, within_s=60)
        assert len(expected) > 50
        letters = await read_all(kafka.bootstrap, names.dead_letters)
        assert [each.value for each in letters if each.headers["stage"] == b"sink:elasticsearch"] == [b"[1]"]
        print(f"{len(expected)} alerts held {took_s:.1f} s after the end of the outage")  # noqa: T201  figures
        assert workers[2].stop() == 0
    finally:
        search.resume()
        for worker in workers:
            worker.kill()
