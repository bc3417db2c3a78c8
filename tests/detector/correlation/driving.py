"""Drives a correlator as a runtime would: in batches, over partitions, with crashes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from detector.alert import AlertDraft
from detector.candidate import Candidate
from detector.correlation.correlator import Correlator
from detector.correlation.ordering import NOT_YET
from detector.correlation.plan import CorrelationSettings
from detector.correlation.routing import CandidateRouter
from detector.engine import Engine
from detector.rules.loader import load_rules
from detector.task import LogRecord, Output, PartitionClock
from normalizers.event import EcsEvent, Value

SECOND = 10**9
LATENESS_NS = 10 * SECOND


class Arrival(msgspec.Struct, frozen=True):
    """An event as it comes in."""

    id: str
    time_s: float
    ready_s: float
    fields: dict[str, Value]
    uncertainty_s: float = 0.0
    source: str = "s"


class Bench:
    """Rules, and the candidates that arrivals cause; `first_seen` learns from `first_s` on."""

    def __init__(
        self, text: str, *, uncertainty_s: float = 0.0, lateness_ns: int = LATENESS_NS, first_s: float = 0.0
    ) -> None:
        self.ruleset = load_rules(text)
        self._engine = Engine(self.ruleset)
        self._router = CandidateRouter(self.ruleset)
        self.settings = CorrelationSettings(
            lateness_ns=lambda _rule: lateness_ns,
            learns_from_ns=lambda: int(first_s * SECOND),
            watched_from_ns=NOT_YET,
            assume_covered=True,
            partner_uncertainty_ns=int(uncertainty_s * SECOND),
        )

    def candidates(self, arrival: Arrival) -> list[Candidate]:
        """Return what an arrival causes."""
        event = EcsEvent(
            arrival.id,
            int(arrival.time_s * SECOND),
            int(arrival.ready_s * SECOND),
            int(arrival.uncertainty_s * SECOND),
            arrival.source,
            "",
            dict(arrival.fields),
        )
        ready_ns = int(arrival.ready_s * SECOND)
        rules = self._engine.rules_matching(event.fields)
        return [each for rule in rules for each in self._router.candidates_for(rule.meta.id, event, ready_ns)]

    def correlator(self, partitions: int = 1) -> Correlator:
        """Return a fresh task."""
        return Correlator(self.ruleset, range(partitions), self.settings)

    def run(self, arrivals: Sequence[Arrival]) -> dict[str, AlertDraft]:
        """Give everything at once."""
        correlator = self.correlator()
        records = [candidate for arrival in arrivals for candidate in self.candidates(arrival)]
        return collected(correlator.process(records), correlator.finish())

    def run_in_pieces(
        self, arrivals: Sequence[Arrival], partitions: int, cuts: Sequence[int], crashes: Sequence[bool]
    ) -> dict[str, AlertDraft]:
        """Give arrivals in order of readiness, batch by batch, with a crash and restore after some batches."""
        correlator = self.correlator(partitions)
        correlator.restored()  # as a runtime does at its first start: rules that were there first were always there
        stored: dict[bytes, bytes] = {}
        drafts: dict[str, AlertDraft] = {}
        ordered = sorted(arrivals, key=lambda each: (each.ready_s, each.id))
        start = 0
        for number, cut in enumerate([*sorted(cuts), len(ordered)]):
            part = ordered[start:cut]
            start = max(start, cut)
            records: list[LogRecord] = [each for arrival in part for each in self.candidates(arrival)]
            if part:
                clock_ns = int(part[-1].ready_s * SECOND)
                records += [PartitionClock(partition, clock_ns, number) for partition in range(partitions)]
            drafts |= collected(correlator.process(records))
            for key, value in correlator.dirty():
                if value is None:
                    stored.pop(key, None)
                else:
                    stored[key] = value
            if number < len(crashes) and crashes[number]:
                correlator = self.correlator(partitions)
                for key, value in stored.items():
                    correlator.restore(key, value)
                correlator.restored()
        return drafts | collected(correlator.finish())


def collected(*outputs: Sequence[Output]) -> dict[str, AlertDraft]:
    """Return the last revision of each alert."""
    return {each.alert_id: each for part in outputs for each in part if isinstance(each, AlertDraft)}


def rule(name: str, action: str) -> str:
    """Return the YAML of a rule that takes one action."""
    return (
        f"title: {name}\nname: {name}\nlogsource: {{}}\ndetection:\n  s: {{event.action: {action}}}\n  condition: s\n"
    )
