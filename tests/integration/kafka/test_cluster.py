"""Three brokers with three copies of everything, of which two must have a record: one dies, and comes back."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from tests.integration.kafka.conftest import SHOW
from tests.integration.kafka.line import kafka_of, make_topics, settings_for
from tests.integration.kafka.living import expected_alerts, growing, outcome, until_told
from tests.integration.kafka.workers import WorkerProcess
from tests.integration.servers.kafka.cluster import KafkaCluster
from tests.integration.servers.kafka.jars import kafka_jars

LONG = bool(os.environ.get("ISTHMUS_LONG"))
DEATHS = 4
_TRANSACTION = 1
"""Kafka's number of that kind of coordinator."""

AWAY_S = 12.0
"""Longer than the cluster needs to notice, and than a transaction may last."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Brokers to kill."""
    started = KafkaCluster(kafka_jars(), tmp_path / "cluster").start()
    yield started
    started.kill()


async def _busiest(settings: Settings) -> int:
    """Return the broker that decides the transactions of a task; of every topic it leads partitions too."""
    kafka = kafka_of(settings)
    names = TopicNames(kafka.prefix)
    async with AIOKafkaProducer(bootstrap_servers=kafka.connection.brokers) as producer:
        leaders = {
            producer.client.cluster.leader_for_partition(TopicPartition(names.raw, each))
            for each in await producer.partitions_for(names.raw)
        }
        node = int(await producer.client.coordinator_lookup(_TRANSACTION, names.transactional_id("sense", 0)))
    assert node in leaders
    return node


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="three brokers are too much for two cores with all the rest; ISTHMUS_LONG=1")
async def test_brokers_that_die_in_turn_change_nothing(cluster: KafkaCluster, tmp_path: Path, show: SHOW) -> None:
    """Each time the broker that decides a task's transactions, which leads partitions too; whatever it leads moves."""
    settings = settings_for(tmp_path, cluster.bootstrap, "cluster")
    await make_topics(settings, recorded=False)
    died = Counter[int]()
    workers = [WorkerProcess(tmp_path / "isthmus.yml", f"w{number}") for number in range(2)]
    async with growing(settings, rate=60):
        await asyncio.gather(*(worker.at_work() for worker in workers))
        await asyncio.sleep(3)
        for _ in range(DEATHS):
            node = await _busiest(settings)
            died[node] += 1
            cluster.brokers[node].kill()
            await asyncio.sleep(AWAY_S)
            await asyncio.to_thread(cluster.brokers[node].start)
            await asyncio.sleep(5)
    back_s = time.monotonic()
    expected = await expected_alerts(settings, tmp_path)
    await until_told(settings, expected)
    show(f"quiet again {time.monotonic() - back_s:.1f} s after the last came back")
    assert [worker.stop() for worker in workers] == [0, 0]
    found = await outcome(settings, tmp_path, expected)
    show(f"{DEATHS} deaths of brokers ({dict(died)}), each away for {AWAY_S:.0f} s: {found}")
    assert found.is_exact
