"""The demo plant on a real broker, for measuring: settings, topics, workers, and what they use."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from connectors.kafka.admin import administering
from detector.demo.script import PLANT
from detector.kafkasettings import KafkaSettings
from detector.runtime.clock import SystemClock
from detector.runtime.kafka.contextfiles import publish_tables
from detector.runtime.kafka.wire import raw_headers
from detector.runtime.partitioner import partition_of
from detector.runtime.topics.declaring import declared_topics
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings, load_settings
from detector.task import Record
from tests.integration.servers.kafka.broker import KafkaBroker

PARTITIONS = 4
_TICKS = os.sysconf("SC_CLK_TCK")
_QUIET_S = 3.0
_CLOCKS = 2 * PARTITIONS**2 * int(_QUIET_S)
"""More records than clocks make in that time."""


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Plant:
    """The demo plant's settings without its feeds, on a broker."""

    def __init__(self, folder: Path, broker: KafkaBroker, rules: Sequence[Path]) -> None:
        self.folder, self.broker, self._rules = folder, broker, rules
        self._written: dict[tuple[str, int], Settings] = {}
        shutil.copytree(PLANT / "context", folder / "context")

    def settings(self, prefix: str, number: int = 0) -> Settings:
        """Write settings with topics of their own, and a port for the pages of each worker."""
        if (prefix, number) in self._written:
            return self._written[prefix, number]
        kept, skipping = list[str](), False
        for line in (PLANT / "isthmus.yml").read_text().splitlines():
            skipping = line.startswith("inputs:") or (skipping and line.startswith(" "))
            if not skipping and not line.startswith(("  corp/", "http:")):
                kept.append(line)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        rules = ["rules: [" + ", ".join(str(each.resolve()) for each in self._rules) + "]"] if self._rules else []
        kafka = f"""http: {{port: {port}}}
kafka:
  connection: {{brokers: ['{self.broker.bootstrap}'], plaintext: true}}
  prefix: {prefix}
  replication: 1
  partitions: {{raw: {PARTITIONS}, candidates: {PARTITIONS}}}
"""
        path = self.folder / f"{prefix}-{number}.yml"
        path.write_text("\n".join([*kept, *rules, kafka]))
        settings = self._written[prefix, number] = load_settings(path)
        return settings

    async def prepare(self, prefix: str, given: Sequence[Record]) -> Settings:
        """Make topics, publish context, and put records into the raw log with their own times."""
        settings = self.settings(prefix)
        kafka = kafka_of(settings)
        async with administering(kafka.connection) as admin:
            for topic in declared_topics(settings, kafka):
                config = {**topic.config, "message.timestamp.type": "CreateTime"}
                await admin.create(msgspec.structs.replace(topic, config=config))
        await publish_tables(kafka, self.folder / "context", SystemClock())
        await _append(kafka, given)
        return settings

    def worker(self, prefix: str, stages: str, number: int = 0) -> subprocess.Popen[bytes]:
        """Start a worker."""
        self.settings(prefix, number)
        command = [sys.executable, "-m", "detector", "worker", "-c", str(self.folder / f"{prefix}-{number}.yml")]
        return subprocess.Popen(  # noqa: S603  our own command
            [*command, "--stages", stages], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


async def _append(kafka: KafkaSettings, given: Sequence[Record]) -> None:
    topic = TopicNames(kafka.prefix).raw
    async with AIOKafkaProducer(bootstrap_servers=kafka.connection.brokers, linger_ms=5) as producer:
        for each in given:
            source = each.record.source
            await producer.send(
                topic,
                each.record.value,
                key=source.encode(),
                partition=partition_of(source, PARTITIONS),
                timestamp_ms=each.ready_ns // 10**6,
                headers=raw_headers(each.record),
            )
        await producer.flush()


def kafka_of(settings: Settings) -> KafkaSettings:
    """Return the section of settings that names the cluster."""
    assert settings.kafka is not None  # noqa: S101  written above
    return settings.kafka


def report_of(settings: Settings) -> dict[str, Any] | None:
    """Return what a worker says of itself; None while it does not answer."""
    try:
        url = f"http://127.0.0.1:{settings.http.port}/healthz"
        with urllib.request.urlopen(url, timeout=2) as reply:
            return dict(json.load(reply))
    except OSError as error:
        body = getattr(error, "read", None)
        return dict(json.loads(body())) if body is not None else None


async def until_up(settings: Settings) -> None:
    """Wait until a worker is up, and has opened its tasks."""
    report = None
    while report is None:
        await asyncio.sleep(0.2)
        report = await asyncio.to_thread(report_of, settings)
    await asyncio.sleep(2)


async def until_applied(several: Sequence[Settings], at_least: int) -> int:
    """Wait until workers apply no more records; returns how many they did."""
    count, since_s = -1, time.monotonic()
    while count < at_least or time.monotonic() - since_s < _QUIET_S:
        reports = [await asyncio.to_thread(report_of, each) for each in several]
        now = sum(stage["records"] for each in reports if each for stage in each["stages"].values())
        # Clocks go on for ever; what is counted grows by more than them while there is work.
        if now > count + (_CLOCKS if count >= at_least else 0):
            count, since_s = now, time.monotonic()
        await asyncio.sleep(0.2)
    return count
