"""Figures of a worker, in Prometheus' form, read off its tasks when they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from detector.runtime.canary.watching import CanaryWatch
from detector.runtime.kafka.ownership import Ownership
from detector.runtime.metrics import TaskMetrics
from detector.runtime.reloading import RuleMetrics

Family = CounterMetricFamily | GaugeMetricFamily


class WorkerMetrics(Collector):
    """One registry a worker; labels are stages, partitions, canaries, and what is the same embedded.

    Args:
        ownerships: Tasks by stage.
        canaries: What is known of canaries.
        sources: Sources that the settings name; all others are one label.
    """

    def __init__(
        self, ownerships: Mapping[str, Ownership], canaries: CanaryWatch, sources: Collection[str] = ()
    ) -> None:
        self._ownerships, self._canaries = ownerships, canaries
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self.tasks = TaskMetrics(self._registry, sources)
        self.rules = RuleMetrics(self._registry)
        self.differs = Gauge(
            "isthmus_bundle_differs", "1 while the rules loaded here are not those announced.", registry=self._registry
        )

    def text(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Family]:
        """Yield what is true now."""
        records = CounterMetricFamily("isthmus_task_records", "Records applied by a stage.", labels=["stage"])
        lost = CounterMetricFamily("isthmus_tasks_lost", "Lives of tasks that an error ended.", labels=["stage"])
        tasks = GaugeMetricFamily("isthmus_tasks_open", "Tasks that this worker has open.", labels=["stage"])
        owned = GaugeMetricFamily("isthmus_tasks_owned", "Tasks that were given to this worker.", labels=["stage"])
        lag = GaugeMetricFamily("isthmus_task_lag", "Offsets not yet applied.", labels=["stage", "partition"])
        for name, ownership in self._ownerships.items():
            records.add_metric([name], ownership.records)
            lost.add_metric([name], ownership.lost)
            tasks.add_metric([name], len(ownership.lives))
            owned.add_metric([name], len(ownership.partitions))
            for partition, behind in ownership.lag().items():
                lag.add_metric([name, str(partition)], behind)
        yield from (records, lost, tasks, owned, lag)
        yield from self._canaries.families()
