"""Figures of the embedded engine, in Prometheus' form."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from detector.runtime.embedded.driver import Progress
from detector.runtime.metrics import TaskMetrics
from detector.runtime.reloading import RuleMetrics


class _Asked(Collector):
    """Figures that are asked for when they are read."""

    def __init__(self, collect: Callable[[], Iterable[GaugeMetricFamily]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Ask."""
        return self._collect()


class EngineMetrics:
    """Counters and gauges with bounded labels; one registry an engine, so that several can live in one process.

    Args:
        sources: Sources that the settings name; all others are one label.
        canaries: Returns what is true of canaries now.
    """

    def __init__(
        self, sources: Collection[str] = (), canaries: Callable[[], Iterable[GaugeMetricFamily]] = lambda: ()
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Asked(canaries))
        self.records = Counter("isthmus_records", "Raw records applied.", registry=self._registry)
        self.tasks = TaskMetrics(self._registry, sources)
        self.lag = Gauge("isthmus_raw_lag", "Records in the raw log not yet applied.", registry=self._registry)
        self.sink_backlog = Gauge(
            "isthmus_sink_backlog", "Revisions of alerts that the slowest sink has not taken.", registry=self._registry
        )
        self.sink_up = Gauge("isthmus_sink_up", "1 while the sink takes alerts.", ["sink"], registry=self._registry)
        self.rules = RuleMetrics(self._registry)

    def count(self, progress: Progress) -> None:
        """Add what one pass did."""
        self.records.inc(progress.records)
        self.tasks.events.inc(progress.events)
        self.tasks.dead_letters.inc(progress.dead_letters)
        self.tasks.alerts.inc(len(progress.alerts))
        self.tasks.count(left_out=progress.left_out, late=progress.late, noticed=progress.noticed)

    def text(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self._registry)
