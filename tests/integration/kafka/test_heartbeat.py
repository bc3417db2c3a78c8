"""Workers say what they do, what nobody does, and what did not come through."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from detector.runtime.canary.records import ALERTS
from detector.runtime.kafka.transport import SESSION_S
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from tests.integration.kafka.line import kafka_of, make_topics, read_all, settings_for
from tests.integration.kafka.workers import WorkerProcess
from tests.integration.servers.kafka.broker import KafkaBroker

Beat = dict[str, Any]
_EXPIRED = """---
title: no gates
logsource: {}
expires: 2026-01-15T08:01:00Z
ticket: CHG-7
filter: {rules: [refused], s: {physical.portal.id: gate}, condition: not s}
"""


async def test_names_a_raw_partition_that_loses_its_worker_within_ten_seconds(
    kafka: KafkaBroker, tmp_path: Path
) -> None:
    """Ten seconds from the last clock heard; what it had committed may be read up to a session after its death."""
    settings = settings_for(tmp_path, kafka.bootstrap, "unworked")
    await make_topics(settings)
    watching = WorkerProcess(tmp_path / "isthmus.yml", "watching", stages="correlate")
    sensing = WorkerProcess(tmp_path / "isthmus.yml", "sensing", stages="sense")
    try:
        await watching.at_work()
        await sensing.at_work()
        beat, _ = await _beat_that(settings, lambda beat: _stands(beat) and not beat["raw_partitions_without_worker"])
        assert beat["stages"]["correlate"]["partitions"] == [0, 1, 2, 3]
        await _every_clock(settings)
        killed_s = time.time()
        sensing.kill()
        _, at_s = await _beat_that(
            settings, lambda beat: beat["raw_partitions_without_worker"] == [0, 1, 2, 3], killed_s
        )
        assert at_s - killed_s < 10 + SESSION_S, f"named {at_s - killed_s:.1f} s after the worker was killed"
    finally:
        watching.kill()
        sensing.kill()


async def test_names_canaries_that_do_not_come_out(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Taken by a connector, out as test alerts; overdue in the heartbeat, the log and nowhere before it is killed."""
    settings = settings_for(tmp_path, kafka.bootstrap, "canaries", raw=2, candidates=2)
    path = tmp_path / "isthmus.yml"
    sink = "sinks: [{type: ndjson, path: alerts.ndjson, tests: true}]\n"
    path.write_text(path.read_text() + f"data_dir: data\n{sink}canary: {{every: 2s, within: 4s}}\n")
    rules = tmp_path / "rules.yml"
    rules.write_text(rules.read_text() + _EXPIRED)
    await make_topics(settings, recorded=False)
    worker = WorkerProcess(path, "worker")
    try:
        with _connector(path) as connector:
            beat, _ = await _beat_that(settings, _all_came_out)
            assert beat["sinks"]["ndjson"]["up"] is True
            connector.send_signal(signal.SIGKILL)
            killed_s = time.time()
        beat, _ = await _beat_that(
            settings,
            lambda beat: (
                set(beat["canaries"]["overdue"]) == set(ALERTS)
                and "canary of domain ot has not come out for" in worker.log.read_text()
            ),
            killed_s,
        )
        assert all(7 <= seconds <= 30 for seconds in beat["canaries"]["overdue"].values())
        assert "expired on 2026-01-15T08:01:00Z and no longer filters 1 rule" in worker.log.read_text()
    finally:
        worker.kill()
    audit = await read_all(kafka.bootstrap, TopicNames("canaries").audit)
    actions = [msgspec.json.decode(each.value or b"")["event"]["action"] for each in audit]
    assert (actions.count("worker-started"), actions.count("connector-started")) == (1, 1)
    alerts = await read_all(kafka.bootstrap, TopicNames("canaries").alerts)
    assert {each.headers["test"] for each in alerts} == {b"true"}
    assert {each.headers["domain"] for each in alerts} >= {b"it", b"ot", b"physical"}


@contextmanager
def _connector(settings: Path) -> Iterator[subprocess.Popen[bytes]]:
    with settings.with_name("connector.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", "detector", "connect", "-c", str(settings), "--instance", "here"],
            env={**os.environ},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _every_clock(settings: Settings) -> None:
    """Wait until each raw partition has told its clock, so that none is named for want of a first one."""
    kafka, told = kafka_of(settings), set[int]()
    while len(told) < kafka.partitions.raw:
        records = await read_all(kafka.connection.brokers[0], TopicNames(kafka.prefix).candidates)
        passed = (msgspec.msgpack.decode((each.value or b"")[2:]) for each in records)
        told = {each["partition"] for each in passed}


def _all_came_out(beat: Beat) -> bool:
    canaries = beat["canaries"]
    return set(canaries["sent"]) == set(ALERTS) and not canaries["overdue"] and "canary" in beat["sinks"]["ndjson"]


def _stands(beat: Beat) -> bool:
    return "correlate" in beat["stages"] and beat["stages"]["correlate"]["open"] == [0, 1, 2, 3]


async def _beat_that(
    settings: Settings, holds: Callable[[Beat], bool], after_s: float = 0.0, *, timeout_s: float = 60.0
) -> tuple[Beat, float]:
    """Wait for a heartbeat of which something holds; return it, and when it was written."""
    kafka = kafka_of(settings)
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        for each in await read_all(kafka.connection.brokers[0], TopicNames(kafka.prefix).heartbeat):
            beat: Beat = msgspec.json.decode(each.value or b"")
            if each.timestamp / 1_000 >= after_s and "correlate" in beat["stages"] and holds(beat):
                return beat, each.timestamp / 1_000
        await asyncio.sleep(0.5)
    raise TimeoutError("no heartbeat said so")
