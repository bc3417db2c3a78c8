"""Events in data streams: each once, as rules saw it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from elasticsearch import Elasticsearch

from connectors.elasticsearch.settings import Elasticsearch as Connection
from connectors.http_push import HttpPushListener
from detector.alerting.sinks import outage
from detector.alerting.sinks.delivery import EventDocument
from detector.alerting.sinks.elasticsearch_events import ElasticsearchEvents
from detector.alerting.sinks.settings import ElasticsearchSink
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.engine import EmbeddedEngine
from detector.settings import load_settings
from detector.task import DeadLetter
from tests.deploy.mappings import leaves, types, unmapped
from tests.integration.kafka.line import append, make_topics, read_all, recording, settings_for
from tests.integration.kafka.workers import WorkerProcess, until_quiet
from tests.integration.servers.elasticsearch.node import ElasticsearchNode
from tests.integration.servers.kafka.broker import KafkaBroker
from tests.normalizers.test_records import CASES, Case

STREAMS = "logs-isthmus.*-*"


def _held(admin: Elasticsearch) -> dict[str, dict[str, Any]]:
    admin.indices.refresh(index=STREAMS)
    found = admin.search(index=STREAMS, size=10_000)["hits"]["hits"]
    assert len({each["_id"] for each in found}) == len(found)
    return {each["_id"]: each for each in found}


async def _until_held(admin: Elasticsearch, count: int, within_s: float = 30.0) -> dict[str, dict[str, Any]]:
    deadline = time.monotonic() + within_s
    while True:
        held = _held(admin)
        if len(held) >= count or time.monotonic() > deadline:
            assert len(held) == count
            return held
        await asyncio.sleep(0.2)


def _event(number: int, **fields: object) -> EventDocument:
    flat = {"@timestamp": "2026-10-20T01:02:03Z", "event.dataset": "zeek.conn", "source.ip": "10.1.2.3"}
    return EventDocument(f"e{number}", {**flat, **fields})


async def test_events_are_created_once_and_bad_ones_are_dead_letters(
    connection: Connection, admin: Elasticsearch
) -> None:
    letters = list[DeadLetter]()
    settings = ElasticsearchSink(connection=connection, events=True, namespace="plant_a")
    sink = ElasticsearchEvents(settings, now_ns=lambda: 10**18, reject=letters.append)
    bad = [_event(8, **{"event.dataset": "../x"}), _event(9, user="no object")]
    await sink.give([_event(1), *bad, _event(2, **{"source.ip": "no address", "unheard.of": [{"a": 1}]})])
    await sink.give([_event(1, message="again"), _event(3)])
    await sink.close()
    held = await _until_held(admin, 3)
    assert set(held) == {"e1", "e2", "e3"}
    assert held["e1"]["_index"].startswith(".ds-logs-isthmus.zeek.conn-plant_a-")
    assert held["e1"]["_source"] == {
        "@timestamp": "2026-10-20T01:02:03Z",
        "event": {"dataset": "zeek.conn", "ingested": "2001-09-09T01:46:40Z"},
        "source": {"ip": "10.1.2.3"},
    }
    assert held["e2"]["_ignored"] == ["source.ip"]
    assert [letter.id for letter in letters] == ["e8", "e9"]
    assert "part of a data stream's name" in letters[0].error
    assert "document_parsing_exception" in letters[1].error


async def _post(port: int, cases: Sequence[Case]) -> None:
    async with ClientSession(f"http://127.0.0.1:{port}") as session:
        for case in cases:
            headers = {"X-Isthmus-Source": f"s/{case.dataset}", "X-Isthmus-Dataset": case.dataset}
            async with session.post("/v1/records", data=case.record.encode(), headers=headers) as reply:
                assert reply.status == 202


async def test_the_engine_gives_out_events_of_every_dataset(
    connection: Connection,
    search: ElasticsearchNode,
    admin: Elasticsearch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also those that came while the cluster hung; nothing of an event is unmapped or of another type."""
    monkeypatch.setattr(outage, "LONGEST_WAIT_S", 0.5)
    connection = msgspec.structs.replace(connection, timeout_s=2.0)
    sink = {"type": "elasticsearch", "events": True, "connection": msgspec.to_builtins(connection, enc_hook=str)}
    settings = {
        "durable": False,
        "http": {"enabled": False},
        "inputs": [{"type": "http", "port": 0}],
        "sinks": [sink],
        "canary": {"every": "0s"},
    }
    (tmp_path / "isthmus.yml").write_text(json.dumps(settings))
    engine = EmbeddedEngine(load_settings(tmp_path / "isthmus.yml"), SystemClock())
    await engine.start()
    listener = next(each for each in engine.connectors if isinstance(each, HttpPushListener))
    cases = [case for case in CASES if case.events and case.dataset not in {"ecs.event", "engine.event"}]
    try:
        await _post(listener.port, cases[::2])
        search.pause()
        await _post(listener.port, cases[1::2])
        await engine.drain()
        search.resume()
        held = await _until_held(admin, sum(case.events for case in cases) + 1)  # the engine's own: it listens
        await asyncio.sleep(1.0)
        assert engine.parts.store.event_log_end() == 0
        assert engine.parts.store.dead_letters(stage="sink:elasticsearch-events") == []
    finally:
        search.resume()
        await engine.stop()
    mapping = types("isthmus-events")
    for each in held.values():
        assert "_ignored" not in each
        assert unmapped({path for path, _ in leaves(each["_source"])}, mapping) == []


async def test_events_of_the_topic_arrive(
    kafka: KafkaBroker, admin: Elasticsearch, connection: Connection, tmp_path: Path
) -> None:
    """Each once, though the worker is killed in between, from every partition of the topic."""
    settings = settings_for(tmp_path, kafka.bootstrap, "given-out", raw=2, candidates=2)
    sink = {"type": "elasticsearch", "events": True, "connection": msgspec.to_builtins(connection, enc_hook=str)}
    path = tmp_path / "isthmus.yml"
    with path.open("a") as file:
        file.write(f"sinks: [{json.dumps(sink)}]\n")
    await make_topics(settings)
    records = recording(600)
    await append(settings, records[:300])
    workers = [WorkerProcess(path, "a")]
    try:
        await until_quiet(settings, quiet_s=0.5)
        workers[0].kill()
        workers.append(WorkerProcess(path, "b"))
        await append(settings, records[300:])
        await workers[1].at_work()
        await until_quiet(settings, quiet_s=1.0)
        given = {each.headers["id"].decode() for each in await read_all(kafka.bootstrap, "given-out.events.v1")}
        held = await _until_held(admin, len(given), within_s=60)
        assert workers[1].stop() == 0
    finally:
        for worker in workers:
            worker.kill()
    assert len(given) > 590
    assert set(held) == given
    documents = [each["_source"] for each in held.values()]
    assert {document["event"]["dataset"] for document in documents} == {"gallagher.event"}
    assert all(document["@timestamp"].startswith("20") for document in documents)
