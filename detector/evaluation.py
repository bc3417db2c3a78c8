"""Batch evaluation: events in, every match and alert out, with correlations, and no clock but the events' own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from detector.alert import AlertDraft
from detector.candidate import Candidate
from detector.correlation.correlator import Correlator
from detector.correlation.ordering import END_OF_INPUT, NOT_YET
from detector.correlation.plan import CorrelationSettings
from detector.correlation.routing import CandidateRouter
from detector.instant import instant_ns
from detector.rules.model import DetectionRule, RuleSet
from detector.task import PartitionClock
from normalizers.decoding import flatten
from normalizers.event import EcsEvent

MatchBatch = Callable[[Sequence[Mapping[str, Any]]], Sequence[tuple[int, DetectionRule]]]
"""Returns position and rule of each match among some events, by position."""

BATCH = 256
"""Events matched at a time."""

CANDIDATES = 1_000
"""Candidates correlated at a time."""


class Evaluated(msgspec.Struct, frozen=True, gc=False):
    """One match or alert.

    Attributes:
        rule_id: Key of the rule or correlation.
        rule_title: Its title.
        rule_name: Its reference name.
        event_indexes: Positions of the events that it rests on, from 0.
        time_ns: When it happened; None when the event has no time and the rule needs none.
        group: Values of the group-by fields.
        draft: What a correlation found; None for a single event, of which `BatchEvaluator.draft_of` makes one.
    """

    rule_id: str
    rule_title: str
    rule_name: str
    event_indexes: tuple[int, ...]
    time_ns: int | None
    group: tuple[str | None, ...] = ()
    draft: AlertDraft | None = None


class Timed(msgspec.Struct, frozen=True, gc=False):
    """An event with its position and time, and the rules that match it."""

    index: int
    time_ns: int | None
    event: Mapping[str, Any]
    rules: tuple[DetectionRule, ...] = ()


class BatchEvaluator:
    """Evaluates one batch; coverage is full, `during` starts known and empty.

    Args:
        ruleset: Rules.
        match: Matches detection rules against some events.
        time_field: Where an event's time stands: ISO 8601, or seconds or milliseconds since 1970.
        lateness_ns: None: events are sorted by time first. Else input order is arrival, and an event is late when
            it is older than the newest by more than this.
    """

    def __init__(
        self, ruleset: RuleSet, match: MatchBatch, *, time_field: str = "@timestamp", lateness_ns: int | None = None
    ) -> None:
        self._ruleset = ruleset
        self._match = match
        self._time_field = time_field
        self._lateness_ns = lateness_ns
        self._router = CandidateRouter(ruleset)
        self._learns = any(rule.first_seen is not None for rule in ruleset.correlations.values())
        self._first_ns = END_OF_INPUT
        settings = CorrelationSettings(
            lateness_ns=lambda _rule: lateness_ns or 0,
            learns_from_ns=lambda: self._first_ns,
            watched_from_ns=NOT_YET,
            assume_covered=True,
            is_stored=False,
        )
        self._correlator = Correlator(ruleset, [0], settings)
        # Kept with every event until the end, so most should share one.
        self._alone = {rule_id: (rule,) for rule_id, rule in ruleset.rules.items()}
        self._latest: dict[str, AlertDraft] = {}
        self._candidates: list[Candidate] = []
        self._clock_ns = NOT_YET
        self.untimed = 0

    def evaluate(self, batches: Iterable[Sequence[Mapping[str, Any]]]) -> list[Evaluated]:
        """Return every match and alert of events that come in batches, sorted by time and first event."""
        correlates = bool(self._ruleset.correlations) or any(rule.suppress for rule in self._ruleset.rules.values())
        matched: Iterable[Timed] = self._matched(batches, correlates=correlates)
        if correlates and self._lateness_ns is None:
            matched = sorted(matched, key=_in_time)
        found = list[Evaluated]()
        for timed in matched:
            self._one(timed, found, correlates=correlates)
        if correlates:
            self._correlate()
            self._collect(self._correlator.finish())
            found.extend(self._alerts())
        return sorted(found, key=lambda each: (each.time_ns or 0, each.event_indexes, each.rule_id))

    def _matched(self, batches: Iterable[Sequence[Mapping[str, Any]]], *, correlates: bool) -> Iterator[Timed]:
        """Yield the events that some rule matches; the others are gone with their batch."""
        first = 0
        for events in batches:
            rules = dict[int, tuple[DetectionRule, ...]]()
            for row, rule in self._match(events):
                before = rules.get(row)
                rules[row] = self._alone[rule.meta.id] if before is None else (*before, rule)
            arriving = correlates and self._lateness_ns is not None
            notes = arriving or self._learns
            for row in range(len(events)) if notes else rules:
                event = events[row]
                time_ns = instant_ns(time_of(event, self._time_field))
                if notes and time_ns is not None:
                    self._note_time(time_ns, arriving=arriving)
                if row in rules:
                    yield Timed(first + row, time_ns, event, rules[row])
            first += len(events)

    def _note_time(self, time_ns: int, *, arriving: bool) -> None:
        """Learn when an event happened: the first one begins what `first_seen` learns."""
        if arriving:
            self._clock_ns = max(self._clock_ns, time_ns)
        if not arriving or self._first_ns == END_OF_INPUT:
            self._first_ns = min(self._first_ns, time_ns)

    def left_out(self) -> Counter[str]:
        """Return how many matches did not count in a correlation, by reason."""
        return self._correlator.left_out() + self._router.left_out

    def draft_of(self, found: Evaluated, event: Mapping[str, Any]) -> AlertDraft:
        """Return a match as an alert's draft; its events are named by their positions.

        Args:
            found: As `evaluate` returned it.
            event: Its first event, for a match of a single one.
        """
        draft = found.draft
        if draft is None:
            timed = Timed(found.event_indexes[0], found.time_ns, event)
            draft = self._router.draft_for(self._ruleset.rules[found.rule_id].meta, as_event(timed), found.time_ns or 0)
        steps = tuple(msgspec.structs.replace(step, event_id=str(int(step.event_id))) for step in draft.steps)
        return msgspec.structs.replace(draft, steps=steps)

    def _one(self, timed: Timed, found: list[Evaluated], *, correlates: bool) -> None:
        event = None
        for rule in timed.rules:
            if rule.meta.generate and rule.suppress is None:
                meta = rule.meta
                found.append(Evaluated(meta.id, meta.title, meta.name, (timed.index,), timed.time_ns))
            if correlates and timed.time_ns is not None and self._router.is_named(rule.meta.id):
                event = event or as_event(timed)
                self._clock_ns = max(self._clock_ns, timed.time_ns)
                self._candidates.extend(self._router.candidates_for(rule.meta.id, event, self._clock_ns))
        if timed.time_ns is None:
            self.untimed += correlates
        if len(self._candidates) >= CANDIDATES:
            self._correlate()

    def _correlate(self) -> None:
        clock = PartitionClock(0, self._clock_ns, 0)
        self._collect(self._correlator.process([*self._candidates, clock]))
        self._candidates = []

    def _collect(self, outputs: Iterable[object]) -> None:
        for output in outputs:
            if isinstance(output, AlertDraft):
                self._latest[output.alert_id] = output

    def _alerts(self) -> Iterator[Evaluated]:
        for draft in self._latest.values():
            if draft.status == "withdrawn":
                continue
            found = self._ruleset.correlations.get(draft.rule_id)
            meta = found.meta if found is not None else self._ruleset.rules[draft.rule_id].meta
            indexes = tuple(sorted({int(step.event_id) for step in draft.steps}))
            yield Evaluated(meta.id, meta.title, meta.name, indexes, draft.last_ns, draft.group, draft)


def time_of(event: Mapping[str, Any], time_field: str) -> object:
    """Return what stands in an event's time field, which may lie one object deep."""
    value = event.get(time_field)
    if value is None and "." in time_field:
        outer, _, inner = time_field.partition(".")
        nested = event.get(outer)
        value = nested.get(inner) if isinstance(nested, Mapping) else None
    return value


def _in_time(timed: Timed) -> float:
    return math.inf if timed.time_ns is None else timed.time_ns


def as_event(timed: Timed) -> EcsEvent:
    """Return an event as candidates are made of it; its id sorts as its position does."""
    time_ns = timed.time_ns or 0
    return EcsEvent(f"{timed.index:012d}", time_ns, time_ns, 0, "", "", flatten(dict(timed.event)))
