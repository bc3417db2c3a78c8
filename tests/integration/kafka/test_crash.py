"""Workers that die, sleep, come and go: nothing is lost, nothing counted twice."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.kafka.conftest import SHOW
from tests.integration.kafka.line import make_topics, settings_for
from tests.integration.kafka.living import (
    brought_in,
    expected_alerts,
    growing,
    killed_by_failpoint,
    outcome,
    raw_log,
    until_told,
)
from tests.integration.kafka.workers import WorkerProcess
from tests.integration.servers.kafka.broker import KafkaBroker

LONG = bool(os.environ.get("ISTHMUS_LONG"))
FAILPOINTS = [
    f"{stage}-{point}:3" for stage in ("sense", "correlate", "group") for point in ("before", "inside", "after")
]
SHORT = ["sense-inside:3", "correlate-after:3"]
KILLS = 25 if LONG else 1
OUTAGE_S = 20.0


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="two of these deaths are among the kills below; ISTHMUS_LONG=1 runs all nine")
async def test_dying_at_any_point_changes_nothing(kafka: KafkaBroker, tmp_path: Path, show: SHOW) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "failpoints")
    await make_topics(settings, recorded=False)
    async with growing(settings):
        for failpoint in FAILPOINTS:
            # Under the same name it has its partitions back at once: nobody waits for its session to end.
            await killed_by_failpoint(tmp_path / "isthmus.yml", "mortal", failpoint)
    last = WorkerProcess(tmp_path / "isthmus.yml", "mortal", instance="mortal")
    expected = await expected_alerts(settings, tmp_path)
    await until_told(settings, expected)
    last.stop()
    found = await outcome(settings, tmp_path, expected)
    show(f"failpoints {len(FAILPOINTS)}: {found}")
    assert found.is_exact


@pytest.mark.slow
async def test_zombies_kills_and_joins_change_nothing(kafka: KafkaBroker, tmp_path: Path, show: SHOW) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "kills")
    await make_topics(settings, recorded=False)
    path = tmp_path / "isthmus.yml"
    draw = random.Random(3)  # noqa: S311  a fixed test, not a secret
    async with growing(settings):
        workers = [WorkerProcess(path, f"w{number}") for number in range(2)]
        await asyncio.gather(*(worker.at_work() for worker in workers))
        await asyncio.sleep(1)
        workers[0].freeze()  # beyond its session, with whatever it had open
        await asyncio.sleep(8)
        workers.append(WorkerProcess(path, "w2"))
        workers[0].thaw()
        mortal = [killed_by_failpoint(path, f"mortal-{number}", each) for number, each in enumerate(SHORT)]
        await asyncio.gather(*mortal)
        for number in range(KILLS):
            await workers[-1].at_work()
            await asyncio.sleep(draw.uniform(0, 2))
            workers.pop(draw.randrange(len(workers))).kill()
            workers.append(WorkerProcess(path, f"k{number}"))
        await workers[-1].at_work()
        assert workers.pop(0).stop() == 0
        await asyncio.sleep(2)
    expected = await expected_alerts(settings, tmp_path)
    await until_told(settings, expected)
    for worker in workers:
        worker.stop()
    found = await outcome(settings, tmp_path, expected)
    show(f"kills {KILLS}, failpoints {len(SHORT)}, one zombie: {found}")
    assert found.is_exact
    assert found.fenced > 0, "the zombie never noticed"


@pytest.mark.slow
async def test_a_broker_that_is_away_changes_nothing(own_kafka: KafkaBroker, tmp_path: Path, show: SHOW) -> None:
    """A connector brings records in, and keeps what it takes meanwhile."""
    settings = settings_for(tmp_path, own_kafka.bootstrap, "outage")
    await make_topics(settings, recorded=False)
    workers = [WorkerProcess(tmp_path / "isthmus.yml", f"w{number}") for number in range(2)]
    async with brought_in(tmp_path / "isthmus.yml") as taken:
        await asyncio.gather(*(worker.at_work() for worker in workers))
        await asyncio.sleep(2)
        await asyncio.to_thread(own_kafka.stop)
        await asyncio.sleep(OUTAGE_S)
        await asyncio.to_thread(own_kafka.start)
        back_s = time.monotonic()
        await asyncio.sleep(5)
    expected = await expected_alerts(settings, tmp_path)
    await until_told(settings, expected)
    show(f"quiet again {time.monotonic() - back_s:.1f} s after the broker came back")
    assert [worker.stop() for worker in workers] == [0, 0]
    found = await outcome(settings, tmp_path, expected)
    lines = sum(len(worker.log.read_text(errors="replace").splitlines()) for worker in workers)
    show(f"outage {OUTAGE_S:.0f} s: {found}, {lines} lines of log")
    assert found.is_exact
    assert Counter(each.record.value for each in await raw_log(settings)) == Counter(taken)
    assert lines < 200 * len(workers)
