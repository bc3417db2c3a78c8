"""Three brokers that keep copies for each other: any one of them may go."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.servers.kafka.broker import KafkaBroker, new_cluster_id
from tests.integration.servers.ports import free_ports

NODES = (1, 2, 3)

_SETTINGS = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # Three of them share the machine with everything else: a shorter one would take a busy broker for a dead one.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
}


class ClusterBroker(KafkaBroker):
    """One of several.

    Args:
        jars: Kafka's.
        work: Its folder.
        node: Its number.
        controllers: Number of each to the port of its controller.
        cluster_id: The same for all.
    """

    def __init__(self, jars: Path, work: Path, node: int, controllers: Mapping[int, int], cluster_id: str) -> None:
        self._node, self._controllers = node, controllers
        super().__init__(jars, work, settings={**_SETTINGS, "node.id": str(node)})
        self.cluster_id = cluster_id

    def _listeners(self) -> dict[str, str]:
        self._controller_port = self._controllers[self._node]
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in self._controllers.items())
        return {**super()._listeners(), "controller.quorum.voters": voters}


class KafkaCluster:
    """Starts and stops them together.

    Attributes:
        brokers: Number to broker.
    """

    def __init__(self, jars: Path, work: Path) -> None:
        controllers = dict(zip(NODES, free_ports(len(NODES)), strict=True))
        cluster_id = new_cluster_id()
        self.brokers = {
            node: ClusterBroker(jars, work / f"broker{node}", node, controllers, cluster_id) for node in NODES
        }

    @property
    def bootstrap(self) -> str:
        """Addresses of all, separated by commas."""
        return ",".join(broker.bootstrap for broker in self.brokers.values())

    def start(self) -> KafkaCluster:
        """Start all at once: one alone has no majority, and answers nobody."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(KafkaBroker.start, self.brokers.values()))
        return self

    def kill(self) -> None:
        """End all."""
        for broker in self.brokers.values():
            broker.kill()
