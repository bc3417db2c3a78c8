"""Rules that change under workers, one of which dies in the middle: nothing is lost, nothing counted twice."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.runtime.assembly import read_rules
from detector.runtime.embedded.replaying import replay
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from tests.detector.runtime.kafka.changing import FIRST, SECOND
from tests.integration.kafka.line import Read, kafka_of, make_topics, read_all, settings_for
from tests.integration.kafka.living import growing, raw_log
from tests.integration.kafka.workers import WorkerProcess, until_quiet
from tests.integration.servers.kafka.broker import KafkaBroker

UNCHANGED = {
    "Door forced",
    "Door forced, for chains",
    "Three cards refused at a door",
    "Refused then forced",
    "Card refused",
}
NEW = {"Card granted", "Door forced, nobody let in"}


@pytest.mark.slow
async def test_a_death_while_rules_take_over_loses_nothing(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "reload")
    await make_topics(settings, recorded=False)
    first, second = await _change_rules(settings, tmp_path)
    revisions = await _revisions(settings)
    assert len({(each.key, each.headers["revision"]) for each in revisions}) == len(revisions)
    alerts = {each.key or b"": msgspec.json.decode(each.value or b"") for each in reversed(revisions)}
    quiet = msgspec.structs.replace(settings, data_dir=tmp_path / "again", durable=False)
    expected = replay(quiet, await raw_log(settings)).alerts
    assert _of(UNCHANGED, {key.decode(): each for key, each in alerts.items()}) == _of(
        UNCHANGED, {key: each.document for key, each in expected.items()}
    )
    bundles = {(each["rule"]["name"] in NEW, each["convergence"]["bundle"]) for each in alerts.values()}
    assert bundles == {(False, first), (False, second), (True, second)}


async def _change_rules(settings: Settings, folder: Path) -> tuple[str, str]:
    """Let two workers meet a bad bundle and then a good one; returns the hash before and after."""
    path, rules = folder / "isthmus.yml", folder / "rules.yml"
    rules.write_text(FIRST)
    first = read_rules(settings).bundle_hash
    # It has at least four of nine tasks, and dies when rules take over in the second.
    mortal = WorkerProcess(path, "mortal", instance="mortal", failpoint="bundle-inside:2")
    workers = [WorkerProcess(path, "other", instance="other"), mortal]
    async with AsyncExitStack() as ending:
        ending.callback(lambda: list(map(WorkerProcess.kill, workers)))
        async with growing(settings, rate=100):
            await asyncio.gather(*(worker.at_work() for worker in workers))
            rules.write_text("title: [")
            await _told(workers, "rules_refused")
            rules.write_text(SECOND)
            await _told(workers, "rules_reloaded")
            assert await asyncio.to_thread(mortal.process.wait, 60) == -signal.SIGKILL
            workers[1] = WorkerProcess(path, "again", instance="mortal")
            await workers[1].at_work()
            await asyncio.sleep(2)
        await until_quiet(settings, quiet_s=6)
        assert [worker.stop() for worker in workers] == [0, 0]
    return first, read_rules(settings).bundle_hash


async def _told(workers: Sequence[WorkerProcess], phrase: str) -> None:
    """Ask every worker to read its rules, one a little after the other, until each has said something."""
    for worker in workers:
        worker.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.5)
    deadline_s = time.monotonic() + 30
    while not all(phrase in worker.log.read_text() for worker in workers):
        assert time.monotonic() < deadline_s, f"{phrase}: {[worker.log.read_text()[-2_000:] for worker in workers]}"
        await asyncio.sleep(0.1)


async def _revisions(settings: Settings) -> list[Read]:
    kafka = kafka_of(settings)
    return await read_all(kafka.connection.brokers[0], TopicNames(kafka.prefix).alerts)


def _of(titles: set[str], alerts: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(key for key, each in alerts.items() if each["rule"]["name"] in titles)
