"""Topics of others reach the raw log of the embedded engine once, whatever happens to it."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from connectors.record import hashed_id
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.rawlog import LoggedRecord, RawLog
from detector.runtime.embedded.store import EngineStore
from tests.detector.runtime.engine_process import RULES, EngineProcess, free_port
from tests.integration.kafka.line import Read, read_all
from tests.integration.kafka.producing import delete_topic, gallagher, make_topic, produce
from tests.integration.servers.kafka.broker import KafkaBroker


class Engine:
    """Settings, and lives of `isthmus run` with them."""

    def __init__(self, folder: Path, broker: KafkaBroker, *topics: str, extra: str = "", sink: str = "") -> None:
        self.folder = folder
        self._pages = free_port()
        self._path = folder / "isthmus.yml"
        (folder / "rules.yml").write_text(RULES.lstrip())
        self._path.write_text(
            f"data_dir: data\nrules: [rules.yml]\ncheckpoint: 50ms\nlateness: {{default: 1s}}\n"
            f"http: {{port: {self._pages}}}\ninputs:\n  - type: kafka\n"
            f"    connection: {{brokers: ['{broker.bootstrap}'], plaintext: true}}\n{extra}"
            "    topics:\n" + "".join(f"      - {topic}\n" for topic in topics)
        )
        if sink:
            connection = f"{{brokers: ['{broker.bootstrap}'], plaintext: true}}"
            sinks = f"sinks: [{{type: kafka, topic: {sink}, tests: false, connection: {connection}}}]\n"
            self._path.write_text(self._path.read_text() + sinks)

    def live(self, failpoint: str = "") -> EngineProcess:
        """Start it."""
        engine = EngineProcess(self._path, 0, self._pages, failpoint)
        engine.wait_until_up()
        return engine

    def raw(self) -> list[LoggedRecord]:
        """Return the raw log."""
        log = RawLog(self.folder / "data" / "raw.db", SystemClock(), partitions=2, durable=False)
        records = log.read(0, 1_000_000)
        log.close()
        return records

    def dead_letters(self) -> list[str]:
        """Return what dead letters say."""
        store = EngineStore(self.folder / "data" / "engine.db", durable=False)
        errors = [stored.letter.error for stored in store.dead_letters(limit=1_000)]
        store.close()
        return errors

    def until(self, count: int, *, timeout_s: float = 30.0) -> list[LoggedRecord]:
        """Wait for so many records from outside; returns them."""
        deadline = time.monotonic() + timeout_s
        while True:
            taken = [each for each in self.raw() if each.entry.input is not None]
            if len(taken) >= count or time.monotonic() > deadline:
                return taken
            time.sleep(0.1)


def _topic(name: str, **more: str) -> str:
    return (
        "{" + ", ".join(f"{key}: {value}" for key, value in {"name": name, "source": "site/pacs", **more}.items()) + "}"
    )


def test_kills_lose_nothing_and_repeat_nothing(kafka: KafkaBroker, tmp_path: Path) -> None:
    """SIGKILL before and after the append's commit, and at random, while records keep coming."""
    topic = asyncio.run(make_topic(kafka.bootstrap, 3))
    engine = Engine(tmp_path, kafka, _topic(topic, dataset="gallagher.event"))
    draw = random.Random(3)  # noqa: S311  a fixed test, not a secret
    sent = list[bytes]()

    def send(count: int) -> None:
        names = ("Access denied", "Access denied", "Forced door", "Access granted")
        values = [gallagher(draw.choice(names), f"door-{len(sent) + n}") for n in range(count)]
        asyncio.run(produce(kafka.bootstrap, topic, values))
        sent.extend(values)

    for failpoint in ("append-before-commit:2", "append-after-commit:2", "", ""):
        process = engine.live(failpoint)
        for _ in range(6):
            send(200)
            time.sleep(draw.random() / 5)
        if failpoint:
            process.process.wait(20)
        process.kill()
        send(100)
    last = engine.live()
    taken = engine.until(len(sent))
    assert last.stop() == 0
    assert sorted(each.entry.record.value for each in taken) == sorted(sent)
    by_partition = dict[str, list[int]]()
    for each in taken:
        record = each.entry
        assert record.input is not None
        assert record.position is not None
        assert record.record.id == hashed_id("input", record.input, record.position)
        by_partition.setdefault(record.input, []).append(record.position)
    assert {tuple(positions) == tuple(range(1, len(positions) + 1)) for positions in by_partition.values()} == {True}
    assert len(by_partition) == 3
    assert engine.dead_letters() == []


def test_a_broker_that_goes_and_comes_back_is_read_on(own_kafka: KafkaBroker, tmp_path: Path) -> None:
    """The engine starts without the broker, and outlives its restart; its log stays readable, with a sink there too."""
    topic, alerts = (asyncio.run(make_topic(own_kafka.bootstrap, 1)) for _ in range(2))
    own_kafka.stop()
    engine = Engine(tmp_path, own_kafka, _topic(topic, dataset="gallagher.event"), sink=alerts)
    process = engine.live()
    own_kafka.start()
    asyncio.run(produce(own_kafka.bootstrap, topic, [gallagher("Forced door", "d1")]))
    assert len(engine.until(1)) == 1
    assert len(asyncio.run(_until_read(own_kafka.bootstrap, alerts, 1))) == 1
    own_kafka.kill()
    time.sleep(3)
    own_kafka.start()
    asyncio.run(produce(own_kafka.bootstrap, topic, [gallagher("Forced door", "d2")]))
    assert len(engine.until(2)) == 2
    assert len(asyncio.run(_until_read(own_kafka.bootstrap, alerts, 2))) == 2
    assert process.stop() == 0
    assert len(process.errors.splitlines()) < 60, process.errors


async def _until_read(bootstrap: str, topic: str, count: int) -> list[Read]:
    deadline_s = time.monotonic() + 60
    while True:
        found = await read_all(bootstrap, topic)
        if len(found) >= count or time.monotonic() > deadline_s:
            return found
        await asyncio.sleep(0.3)


def test_headers_times_and_what_is_no_record(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Source, dataset and time by header; a tombstone is nothing; what cannot be taken is a dead letter."""
    topic = asyncio.run(make_topic(kafka.bootstrap, 1))
    engine = Engine(
        tmp_path,
        kafka,
        _topic(topic, unwrap="message"),
        extra="    received_header: taken\n    max_record_bytes: 5000\n",
    )

    async def send() -> None:
        wrapped = b'{"message": {"time": "2026-01-01T00:00:00Z", "type": {"id": "1", "name": "Forced door"}}}'
        headers = [
            ("isthmus-source", b"plant/pacs"),
            ("isthmus-dataset", b"gallagher.event"),
            ("taken", b"1760000000123"),
        ]
        await produce(kafka.bootstrap, topic, [wrapped, None], headers=headers)
        await produce(kafka.bootstrap, topic, [b'{"message": "x"}'], headers=[("taken", b"yesterday")])
        await produce(kafka.bootstrap, topic, [b"{", b"[]", b"x" * 5_001, b'{"other": 1}'])
        later = [("isthmus-source", b"plant/pacs"), ("isthmus-dataset", b"gallagher.event")]
        await produce(kafka.bootstrap, topic, [wrapped], headers=later)

    asyncio.run(send())
    process = engine.live()
    first, second = (each.entry.record for each in engine.until(2))
    assert process.stop() == 0
    assert (first.source, first.dataset, first.received_ns) == ("plant/pacs", "gallagher.event", 1760000000123 * 10**6)
    assert first.value == b'{"time":"2026-01-01T00:00:00Z","type":{"id":"1","name":"Forced door"}}'
    assert abs(second.received_ns - time.time_ns()) < 60 * 10**9
    errors = sorted(engine.dead_letters())
    assert [error.partition(": ")[2].partition(":")[0] for error in errors if topic in error] == [
        "header with the time of receipt is no time",
        "is not JSON, so 'message' cannot be taken out",
        "has no field 'message'",
        "larger than 5000 bytes",
        "has no field 'message'",
    ]


def test_producers_times_have_to_be_accepted(kafka: KafkaBroker, tmp_path: Path) -> None:
    """A topic with CreateTime is not read unless the settings say that its times are untrusted; the rest goes on."""
    ours, theirs = (asyncio.run(make_topic(kafka.bootstrap, 1, time=kind)) for kind in ("LogAppendTime", "CreateTime"))
    event = gallagher("Access granted", "d")
    for topic in (ours, theirs):
        asyncio.run(produce(kafka.bootstrap, topic, [event]))
    refusing = Engine(
        tmp_path, kafka, _topic(ours, dataset="gallagher.event"), _topic(theirs, dataset="gallagher.event")
    )
    process = refusing.live()
    assert [each.entry.input for each in refusing.until(1) if ours in str(each.entry.input)]
    time.sleep(1)
    assert len(refusing.until(1)) == 1
    process.kill()
    accepting = Engine(tmp_path, kafka, _topic(theirs, dataset="gallagher.event", create_time="untrusted"))
    process = accepting.live()
    assert len(accepting.until(2)) == 2
    assert process.stop() == 0


@pytest.mark.slow
def test_a_topic_made_anew_wants_a_new_era(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Its offsets begin again: taken for repeats they would be dropped without a word."""
    topic = asyncio.run(make_topic(kafka.bootstrap, 1))
    engine = Engine(tmp_path, kafka, _topic(topic, dataset="gallagher.event"))
    asyncio.run(produce(kafka.bootstrap, topic, [gallagher("Access granted", f"d{n}") for n in range(5)]))
    process = engine.live()
    assert len(engine.until(5)) == 5
    process.kill()
    asyncio.run(delete_topic(kafka.bootstrap, topic))
    time.sleep(1)
    asyncio.run(make_topic(kafka.bootstrap, 1, name=topic))
    asyncio.run(produce(kafka.bootstrap, topic, [gallagher("Forced door", "new")]))
    process = engine.live()
    assert len(engine.until(6, timeout_s=2)) == 5
    process.kill()
    engine = Engine(tmp_path, kafka, _topic(topic, dataset="gallagher.event", era="1"))
    process = engine.live()
    assert len(engine.until(6)) == 6
    assert process.stop() == 0
