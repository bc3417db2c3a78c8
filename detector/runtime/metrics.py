"""Figures of tasks, in Prometheus' form: the same in whichever runtime drives them."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Collection, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter

from detector.alert import Alert
from detector.correlation.correlator import Correlator
from detector.runtime.stages.sense import SenseTask
from detector.task import DeadLetter, Output, Task
from normalizers.event import EcsEvent

_NONE: Mapping[str, int] = {}
NOTICED = ("rule_failed", "event_cut")
"""What may go wrong in matching."""


class TaskMetrics:
    """Counters with bounded labels.

    Args:
        registry: Where they are read.
        sources: Sources that the settings name; all others are one label.
    """

    def __init__(self, registry: CollectorRegistry, sources: Collection[str] = ()) -> None:
        self._sources = frozenset(sources)
        self.events = Counter("isthmus_events", "ECS events made of raw records.", registry=registry)
        self.dead_letters = Counter("isthmus_dead_letters", "Records that became dead letters.", registry=registry)
        self.alerts = Counter("isthmus_alert_revisions", "Revisions of alerts given out.", registry=registry)
        self._left_out = Counter(
            "isthmus_correlation_left_out",
            "Matches that did not count: unkeyed, excess_groups, valueless, placeless, distanceless, shared, in_doubt, "
            "too_late, evicted, sightings_evicted.",
            ["reason"],
            registry=registry,
        )
        self._late = Counter(
            "isthmus_correlation_late",
            "Matches that came later than the lateness of their correlation; sources without settings are `unnamed`.",
            ["source"],
            registry=registry,
        )
        self._noticed = Counter(
            "isthmus_matching_noticed",
            "What went wrong in matching: rule_failed (a rule on an event), event_cut (larger than is looked at).",
            ["kind"],
            registry=registry,
        )
        for kind in NOTICED:
            self._noticed.labels(kind)

    def took(self, task: Task, outputs: Sequence[Output]) -> None:
        """Add what a task made of a batch; on Kafka a batch may be taken again, after its task was lost."""
        kinds = Counts(map(type, outputs))
        self.events.inc(kinds[EcsEvent])
        self.dead_letters.inc(kinds[DeadLetter])
        self.alerts.inc(kinds[Alert])
        if isinstance(task, SenseTask):
            self.count(left_out=task.left_out(), noticed=task.noticed())
        elif isinstance(task, Correlator):
            self.count(left_out=task.left_out(), late=task.late())

    def count(
        self,
        *,
        left_out: Mapping[str, int] = _NONE,
        late: Mapping[str, int] = _NONE,
        noticed: Mapping[str, int] = _NONE,
    ) -> None:
        """Add what tasks counted: what did not count by reason, what was late by source, what went wrong by kind."""
        for reason, number in left_out.items():
            self._left_out.labels(reason).inc(number)
        for source, number in late.items():
            self._late.labels(source if source in self._sources else "unnamed").inc(number)
        for kind, number in noticed.items():
            self._noticed.labels(kind).inc(number)
