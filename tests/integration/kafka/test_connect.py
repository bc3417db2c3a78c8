"""`isthmus connect`: what an input acknowledged is in the raw log on Kafka, once, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from click.testing import CliRunner

from detector.__main__ import main
from detector.kafkasettings import MIN_BUFFER_BYTES
from detector.runtime.kafka.wire import decode_dead_letter, decode_raw
from detector.runtime.partitioner import partition_of
from detector.task import DeadLetter, Record
from tests.detector.runtime.engine_process import free_port
from tests.integration.servers.kafka.broker import KafkaBroker

PARTITIONS = 3
MB = 1 << 20


class Connect:
    """Settings with one HTTP input, and lives of `isthmus connect` with them."""

    def __init__(self, folder: Path, broker: KafkaBroker) -> None:
        self.prefix = f"c{uuid.uuid4().hex[:8]}"
        self.sent = Counter[bytes]()
        self._bootstrap = broker.bootstrap
        self._port, self._pages = free_port(), free_port()
        self._path = folder / "isthmus.yml"
        self._path.write_text(
            f"data_dir: data\ncanary: {{every: 0s}}\ninputs: [{{type: http, port: {self._port}}}]\n"
            f"kafka:\n  prefix: {self.prefix}\n"
            f"  replication: 1\n  partitions: {{raw: {PARTITIONS}, candidates: 1}}\n"
            f"  buffer_bytes: {MIN_BUFFER_BYTES}\n"
            f"  connection: {{brokers: ['{broker.bootstrap}'], plaintext: true}}\nhttp: {{port: {self._pages}}}\n"
            "canary: {every: 0s}\n"
        )

    def apply(self) -> None:
        """Make the topics."""
        assert CliRunner().invoke(main, ["topics", "apply", "-c", str(self._path)]).exit_code == 0

    def take_prefix(self, other: Connect) -> None:
        """Write to the same topics."""
        self._path.write_text(self._path.read_text().replace(self.prefix, other.prefix))
        self.prefix = other.prefix

    def live(self, failpoint: str = "", instance: str = "one") -> subprocess.Popen[bytes]:
        """Start it and wait until it listens, or has ended."""
        command = [sys.executable, "-m", "detector", "connect", "-c", str(self._path), "--instance", instance]
        environment = {**os.environ, "ISTHMUS_FAILPOINT": failpoint}
        process = subprocess.Popen(  # noqa: S603  our own command
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        while (line := process.stderr.readline()) and b"listening" not in line:
            pass
        return process

    def post(self, count: int, *, dataset: str = "gallagher.event", size: int = 0, key: str = "") -> None:
        """Send records, each of a size at least, until they are acknowledged.

        Raises:
            TimeoutError: They were not.
        """
        records = [
            f'{{"number": {sum(self.sent.values()) + n}, "fill": "{"x" * size}"}}'.encode() for n in range(count)
        ]
        headers = {"X-Isthmus-Source": f"site/{len(self.sent) % 5}", "Idempotency-Key": key or uuid.uuid4().hex}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/v1/records",
            data=b"\n".join(records),
            headers={
                **headers,
                **({"X-Isthmus-Dataset": dataset} if dataset else {}),
                "Content-Type": "application/x-ndjson",
            },
        )
        with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310  loopback
            assert reply.status == 202
        if dataset:
            self.sent.update(records)

    def health(self) -> dict[str, Any]:
        """Ask how it is."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._pages}/healthz", timeout=5) as reply:
                return json.load(reply)  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            return {"code": error.code, **json.load(error)}

    def raw(self, count: int, *, timeout_s: float = 30.0) -> list[Record]:
        """Return the committed raw log, once it holds so many records."""
        deadline = time.monotonic() + timeout_s
        while True:
            records = asyncio.run(self._raw())
            if len(records) >= count or time.monotonic() > deadline:
                return records
            time.sleep(0.3)

    async def _raw(self) -> list[Record]:
        places = [TopicPartition(f"{self.prefix}.raw.v1", partition) for partition in range(PARTITIONS)]
        records = list[Record]()
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, isolation_level="read_committed")
        await consumer.start()
        consumer.assign(places)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, found in (await consumer.getmany(timeout_ms=300)).items():
                for each in found:
                    record = decode_raw(each, each.timestamp)
                    assert each.timestamp_type == 1, "the append time is the broker's"
                    assert partition_of(record.record.source, PARTITIONS) == place.partition
                    records.append(record)
        await consumer.stop()
        return records

    async def letters(self) -> list[DeadLetter]:
        """Return the dead letters; there must be one."""
        consumer = AIOKafkaConsumer(
            f"{self.prefix}.dlq.v1", bootstrap_servers=self._bootstrap, auto_offset_reset="earliest"
        )
        await consumer.start()
        found = [await asyncio.wait_for(consumer.getone(), 15)]
        await consumer.stop()
        return [decode_dead_letter(each) for each in found]


def _end(process: subprocess.Popen[bytes], *, kill: bool = False) -> int:
    (process.kill if kill else process.terminate)()
    process.communicate(timeout=30)
    return process.returncode


def test_kills_lose_nothing_and_repeat_nothing(kafka: KafkaBroker, tmp_path: Path) -> None:
    """SIGKILL before, inside and after the transaction, and whenever; what cannot be named is a dead letter."""
    connect = Connect(tmp_path, kafka)
    connect.apply()
    for failpoint in ("connect-before", "connect-inside", "connect-after", ""):
        process = connect.live(failpoint)
        connect.post(50)
        if failpoint:
            assert process.wait(20) == -9
        _end(process, kill=True)
    process = connect.live()
    connect.post(50)
    connect.post(1, dataset="")
    records = connect.raw(250)
    assert _end(process) == 0
    assert Counter(each.record.value for each in records) == connect.sent
    assert len({each.record.id for each in records}) == 250
    by_source = dict[str, list[int]]()
    for each in records:
        by_source.setdefault(each.record.source, []).append(each.record.received_ns)
    assert all(times == sorted(set(times)) for times in by_source.values())
    (letter,) = asyncio.run(connect.letters())
    assert (letter.stage, letter.value[:10]) == ("recognise", b'{"number":')


@pytest.mark.slow
def test_inputs_go_on_while_the_broker_is_away(own_kafka: KafkaBroker, tmp_path: Path) -> None:
    """Until the disk's share is full; killed meanwhile, it starts without the broker. All arrives once that is back."""
    connect = Connect(tmp_path, own_kafka)
    connect.apply()
    process = connect.live()
    connect.post(20)
    connect.raw(20)
    assert connect.health()["status"] == "ok"
    own_kafka.kill()
    connect.post(20)
    _end(process, kill=True)
    process = connect.live()
    key = _fill(connect)
    assert len(connect.sent) > 80
    full = connect.health()
    assert full["code"] == 503
    assert "no room for more records" in full["status"]
    assert "no Kafka broker can be used" in full["status"]
    assert full["log_bytes"] <= full["log_limit_bytes"] == MIN_BUFFER_BYTES
    assert full["waiting"] == len(connect.sent) - 20
    _end(process, kill=True)
    process = connect.live()
    own_kafka.start()
    while not _is_taken(connect, key):
        pass
    while connect.health()["waiting"]:
        time.sleep(0.2)
    assert connect.health()["status"] == "ok"
    assert Counter(each.record.value for each in connect.raw(len(connect.sent))) == connect.sent
    assert _end(process) == 0


def _fill(connect: Connect) -> str:
    """Send megabytes until one is not acknowledged; returns its key."""
    while _is_taken(connect, key := uuid.uuid4().hex):
        pass
    return key


def _is_taken(connect: Connect, key: str) -> bool:
    try:
        connect.post(1, size=MB, key=key)
    except TimeoutError:
        return False
    return True


def test_a_second_connector_of_the_same_name_ends_the_first(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Under one name each would go on where the other was."""
    lives = list[tuple[Connect, subprocess.Popen[bytes]]]()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        connect = Connect(tmp_path / name, kafka)
        if lives:
            connect.take_prefix(lives[0][0])
        else:
            connect.apply()
        lives.append((connect, connect.live()))
        connect.post(5)
        connect.raw(5 * len(lives))
    (first, process), (_, other) = lives
    first.post(5)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 3
    assert b"another connector has started as" in errors
    assert _end(other) == 0


def test_topics_that_are_missing_are_told(kafka: KafkaBroker, tmp_path: Path) -> None:
    """It makes none by itself."""
    connect = Connect(tmp_path, kafka)
    process = connect.live()
    process.communicate(timeout=20)
    assert process.returncode == 2
