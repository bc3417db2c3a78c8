"""Topics that are deleted under a worker: it says which and what to do, makes none, and goes on where it can."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from connectors.record import RawRecord, hashed_id
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from detector.task import Record
from tests.integration.kafka.line import append, kafka_of, make_topics, read_alerts, read_all, settings_for
from tests.integration.kafka.producing import delete_topic, gallagher
from tests.integration.kafka.workers import WorkerProcess
from tests.integration.servers.kafka.guarded import GuardedBroker

NAMES = TopicNames("lost")


async def _force_doors(settings: Settings, first: int, count: int) -> None:
    """Append records that each are an alert by themselves."""
    now_ns = time.time_ns()
    values = [(number, gallagher("Forced door", f"door-{number}")) for number in range(first, first + count)]
    raw = [RawRecord(hashed_id("lost", n), "site/1", "gallagher.event", now_ns, value) for n, value in values]
    await append(settings, [Record(each, now_ns) for each in raw])


async def _until(holds: Callable[[], Awaitable[bool]], *, timeout_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not await holds():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(0.3)


async def _until_alerts(settings: Settings, count: int) -> None:
    async def are_there() -> bool:
        return len((await read_alerts(settings)).ids) >= count

    await _until(are_there)
    assert (await read_alerts(settings)).doubled == 0


async def _until_said(worker: WorkerProcess, *words: str) -> None:
    async def is_said() -> bool:
        lines = worker.log.read_text().splitlines()
        return any(all(word in line for word in words) for line in lines)

    await _until(is_said)


async def _topics(bootstrap: str) -> set[str]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    found = set(await client.list_topics())
    await client.close()
    return found


def _apply(settings: Path) -> None:
    command = [sys.executable, "-m", "detector", "topics", "apply", "-c", str(settings)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  our own command


async def test_deleted_topics_are_told_and_not_made_by_accident(guarded_kafka: GuardedBroker, tmp_path: Path) -> None:
    """On a broker that makes every topic that somebody asks for, as Kafka does unless told otherwise."""
    settings = settings_for(tmp_path, guarded_kafka.bootstrap, "lost", raw=1, candidates=1)
    await make_topics(settings, recorded=False)
    worker = WorkerProcess(tmp_path / "isthmus.yml", "w")
    try:
        await _force_doors(settings, 0, 20)
        await _until_alerts(settings, 20)
        await _lose_what_is_passed_on(settings, tmp_path / "isthmus.yml", worker)
        await _lose_state(settings, tmp_path / "isthmus.yml", worker)
        assert worker.stop() == 0
        assert len(worker.log.read_text().splitlines()) < 150
    finally:
        worker.kill()


async def _lose_what_is_passed_on(settings: Settings, path: Path, worker: WorkerProcess) -> None:
    """As many records come in anew as were read before: by their number alone the topic would be the same."""
    deleted = {NAMES.raw, NAMES.candidates, NAMES.alerts, NAMES.context}
    bootstrap = kafka_of(settings).connection.brokers[0]
    for topic in deleted:
        await delete_topic(bootstrap, topic)
    for topic in deleted:
        await _until_said(worker, "topic_lost", f"{topic} is missing", "isthmus topics apply")
    assert not deleted & await _topics(bootstrap)
    _apply(path)
    await _until_said(worker, "topic_found", NAMES.raw)
    await _force_doors(settings, 20, 20)
    await _until_alerts(settings, 20)
    await _until_said(worker, "input_made_anew", NAMES.raw)


async def _lose_state(settings: Settings, path: Path, worker: WorkerProcess) -> None:
    """The task that remembers nothing does nothing; those before it go on."""
    state, bootstrap = NAMES.state("group"), kafka_of(settings).connection.brokers[0]
    await delete_topic(bootstrap, state)
    await _force_doors(settings, 40, 5)
    await _until_said(worker, "task_lost", "stage=group", f"{state} is missing")
    _apply(path)
    await _until_said(worker, "task_held_back", f"{state}/0", "deleted and made anew", "lost-topics.md")
    drafts = len(await read_all(bootstrap, NAMES.drafts))
    await _force_doors(settings, 45, 5)

    async def is_passed_on() -> bool:
        return len(await read_all(bootstrap, NAMES.drafts)) >= drafts + 5

    await _until(is_passed_on)
    assert len((await read_alerts(settings)).ids) == 20
