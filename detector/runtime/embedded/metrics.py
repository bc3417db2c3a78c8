"""Figures of the embedded engine, in Prometheus' form."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from detector.rules.model import RuleSet
from detector.runtime.embedded.driver import Progress


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
        self._sources = frozenset(sources)
        self.records = Counter("isthmus_records", "Raw records applied.", registry=self._registry)
        self.events = Counter("isthmus_events", "ECS events made of them.", registry=self._registry)
        self.dead_letters = Counter(
            "isthmus_dead_letters", "Records that became dead letters.", registry=self._registry
        )
        self.alerts = Counter("isthmus_alert_revisions", "Revisions of alerts committed.", registry=self._registry)
        self.left_out = Counter(
            "isthmus_correlation_left_out",
            "Matches that did not count: unkeyed, excess_groups, valueless, placeless, distanceless, shared, in_doubt, "
            "too_late, evicted, sightings_evicted.",
            ["reason"],
            registry=self._registry,
        )
        self.late = Counter(
            "isthmus_correlation_late",
            "Matches that came later than the lateness of their correlation; sources without settings are `unnamed`.",
            ["source"],
            registry=self._registry,
        )
        self.noticed = Counter(
            "isthmus_matching_noticed",
            "What went wrong in matching: rule_failed (a rule on an event), event_cut (larger than is looked at).",
            ["kind"],
            registry=self._registry,
        )
        for kind in ("rule_failed", "event_cut"):
            self.noticed.labels(kind)
        self.lag = Gauge("isthmus_raw_lag", "Records in the raw log not yet applied.", registry=self._registry)
        self.sink_backlog = Gauge(
            "isthmus_sink_backlog", "Revisions of alerts that the slowest sink has not taken.", registry=self._registry
        )
        self.sink_up = Gauge("isthmus_sink_up", "1 while the sink takes alerts.", ["sink"], registry=self._registry)

        self.reloads = Counter("isthmus_rule_reloads", "Reloads of the rules.", ["outcome"], registry=self._registry)
        self.rules = Gauge("isthmus_rules", "Rules and correlations in use.", registry=self._registry)
        self.bundle = Info("isthmus_bundle", "The rules in use.", registry=self._registry)
        for outcome in ("ok", "refused"):
            self.reloads.labels(outcome)

    def show_bundle(self, ruleset: RuleSet) -> None:
        """Name the rules in use."""
        self.rules.set(len(ruleset.rules) + len(ruleset.correlations))
        self.bundle.info({"hash": ruleset.bundle_hash})

    def count(self, progress: Progress) -> None:
        """Add what one pass did."""
        self.records.inc(progress.records)
        self.events.inc(progress.events)
        self.dead_letters.inc(progress.dead_letters)
        self.alerts.inc(len(progress.alerts))
        for reason, number in progress.left_out.items():
            self.left_out.labels(reason).inc(number)

        for source, number in progress.late.items():
            self.late.labels(source if source in self._sources else "unnamed").inc(number)

        for kind, number in progress.noticed.items():
            self.noticed.labels(kind).inc(number)

    def text(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self._registry)
