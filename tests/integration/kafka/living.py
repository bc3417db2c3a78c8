"""A raw log that grows while workers are killed, and what must have come of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer

from connectors.record import RawRecord, hashed_id
from detector.runtime.embedded.replaying import replay
from detector.runtime.kafka.wire import raw_headers
from detector.runtime.partitioner import partition_of
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from detector.task import ENGINE_SOURCE, Record
from normalizers.timestamps import format_utc
from tests.integration.kafka.line import kafka_of, read_alerts, read_all
from tests.integration.kafka.workers import WorkerProcess, until_quiet
from tests.integration.servers.ports import free_ports

_NAMES = ["Access denied", "Access denied", "Access denied", "Forced door", "Access granted"]
_SOURCES = 7
_DOORS = 120
"""So many that a door is not refused all the time: an endless episode would be the test's only alert."""


def _value(draw: random.Random, delay_ms: int) -> bytes:
    stamp = format_utc(time.time_ns() - draw.randrange(delay_ms) * 10**6)
    name, door = draw.choice(_NAMES), f"door-{draw.randrange(_DOORS)}"
    return json.dumps({"time": stamp, "type": {"id": "1", "name": name}, "source": {"name": door}}).encode()


@asynccontextmanager
async def growing(settings: Settings, *, rate: int = 200, seed: int = 1, delay_ms: int = 300) -> AsyncIterator[None]:
    """Append records at a rate, until left; what could not be sent meanwhile waits, as it does in a connector."""
    kafka = kafka_of(settings)
    draw = random.Random(seed)  # noqa: S311  a fixed test, not a secret
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.connection.brokers, enable_idempotence=True, linger_ms=20, request_timeout_ms=120_000
    )
    await producer.start()

    async def grow() -> None:
        began, number = time.monotonic(), 0
        while True:
            while number < rate * (time.monotonic() - began):
                number += 1
                source = f"site/{draw.randrange(_SOURCES)}"
                record = RawRecord(
                    hashed_id(seed, number), source, "gallagher.event", time.time_ns(), _value(draw, delay_ms)
                )
                await producer.send(
                    TopicNames(kafka.prefix).raw,
                    record.value,
                    key=source.encode(),
                    partition=partition_of(source, kafka.partitions.raw),
                    headers=raw_headers(record),
                )
            await asyncio.sleep(0.02)

    task = asyncio.create_task(grow())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await producer.stop()


@asynccontextmanager
async def brought_in(settings: Path, *, rate: int = 100, delay_ms: int = 300) -> AsyncIterator[list[bytes]]:
    """Post records to `isthmus connect` at a rate, until left; then wait until all are in the raw log.

    Yields:
        What it has acknowledged; complete once left.
    """
    port, pages = free_ports(2)
    connector = WorkerProcess(_connect_settings(settings, port, pages), "connect", command="connect", instance="one")
    draw, taken, is_over = random.Random(2), list[bytes](), asyncio.Event()  # noqa: S311  a fixed test, not a secret

    async def post() -> None:
        headers = {"X-Isthmus-Dataset": "gallagher.event", "Content-Type": "application/x-ndjson"}
        async with ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
            while not is_over.is_set():
                values = [_value(draw, delay_ms) for _ in range(rate // 10)]
                source = {"X-Isthmus-Source": f"site/{draw.randrange(_SOURCES)}"}
                async with session.post("/v1/records", data=b"\n".join(values), headers=source) as reply:
                    assert reply.status == 202, await reply.text()
                taken.extend(values)
                await asyncio.sleep(0.1)

    await connector.at_work(said=b"listening")
    task = asyncio.create_task(post())
    try:
        yield taken
        is_over.set()
        await task
        await _until_forwarded(pages)
        assert connector.stop() == 0
    finally:
        task.cancel()
        connector.kill()


def _connect_settings(settings: Path, port: int, pages: int) -> Path:
    text = settings.read_text().replace("http: {enabled: false}", f"http: {{port: {pages}}}")
    path = settings.with_name("connect.yml")
    path.write_text(f"{text}data_dir: connector\ninputs: [{{type: http, port: {port}}}]\ncanary: {{every: 0s}}\n")
    return path


async def _until_forwarded(pages: int) -> None:
    async with ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{pages}/healthz") as reply:
                if not (await reply.json())["waiting"]:
                    return
            await asyncio.sleep(0.3)


class Outcome(msgspec.Struct):
    """What a run gave, next to an undisturbed one over the same raw log.

    Attributes:
        records: Raw records of sources.
        alerts: Alerts of the undisturbed run.
        revisions: Revisions that a subscriber saw.
        missing: Alerts that did not come.
        unexpected: Alerts that should not have come.
        doubled: Revisions seen twice.
        gaps: Revisions left out.
        fenced: Tasks that found out that another worker had taken them over.
        lost: Lives of tasks that ended by an error.
    """

    records: int
    alerts: int
    revisions: int
    missing: int
    unexpected: int
    doubled: int
    gaps: int
    fenced: int = 0
    lost: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether nothing is lost and nothing counted twice."""
        return not (self.missing or self.unexpected or self.doubled or self.gaps) and self.alerts > 20


async def expected_alerts(settings: Settings, folder: Path) -> set[str]:
    """Run the embedded engine over the raw log as it is now, undisturbed."""
    quiet = msgspec.structs.replace(settings, data_dir=folder / "again", durable=False)
    return set(replay(quiet, await raw_log(settings)).alerts)


async def until_told(settings: Settings, expected: set[str], *, timeout_s: float = 150.0) -> None:
    """Wait until every expected alert has come, or for so long, and then until none comes.

    Silence alone does not tell the end: a task that opens again on a busy machine is quiet for longer.
    """
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if expected <= (await read_alerts(settings)).ids:
            break
        await asyncio.sleep(0.5)
    await until_quiet(settings, quiet_s=2)


async def outcome(settings: Settings, folder: Path, expected: set[str]) -> Outcome:
    """Compare what came out with the alerts of an undisturbed run."""
    found = await read_alerts(settings)
    logs = _logs(folder)
    return Outcome(
        records=len(await raw_log(settings)),
        alerts=len(expected),
        revisions=found.revisions,
        missing=len(expected - found.ids),
        unexpected=len(found.ids - expected),
        doubled=found.doubled,
        gaps=found.gaps,
        fenced=len(re.findall(r"task_lost.*Fenced", logs)),
        lost=logs.count("task_lost"),
    )


async def raw_log(settings: Settings) -> list[Record]:
    """Read the raw log as a recording, without what the engine itself put there: a replay notices it again."""
    kafka = kafka_of(settings)
    raw = list[Record]()
    for each in await read_all(kafka.connection.brokers[0], TopicNames(kafka.prefix).raw):
        source = (each.key or b"").decode()
        if source != ENGINE_SOURCE:
            headers = {name: value.decode() for name, value in each.headers.items()}
            received_ns = int(headers["received_ns"])
            record = RawRecord(headers["id"], source, headers["dataset"], received_ns, each.value or b"")
            raw.append(Record(record, each.timestamp * 10**6))
    return sorted(raw, key=lambda each: each.ready_ns)


def _logs(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.glob("*.log"))


async def killed_by_failpoint(settings: Path, name: str, failpoint: str, *, timeout_s: float = 120.0) -> None:
    """Run a worker until it reaches the point at which it dies.

    Raises:
        TimeoutExpired: It never did.
    """
    worker = WorkerProcess(settings, name, failpoint=failpoint, instance=name)
    try:
        await asyncio.to_thread(worker.process.wait, timeout_s)
    finally:
        worker.kill()
