"""From events to what an explanation needs of them: matches, candidates, what lacked a key, what came nearest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detector.candidate import Candidate, GroupKey
from detector.correlation.keys import groups_of
from detector.correlation.ordering import END_OF_INPUT, NOT_YET
from detector.correlation.plan import named_rules
from detector.correlation.routing import CandidateRouter
from detector.evaluation import MatchBatch, Timed, as_event, time_of
from detector.explaining.model import Explanation
from detector.explaining.nearest import Nearest
from detector.explaining.rule import RuleExplainer
from detector.instant import instant_ns
from detector.matching.grouping import SourceFields
from detector.rules.model import CorrelationRule, DetectionRule, LogSource, RuleSet

MAX_EVENTS = 1_000
"""Events of one rule that are remembered by position."""

Batch = tuple[Sequence[Mapping[str, Any]], Sequence[LogSource]]
"""Some events and their log sources."""


class Gathered:
    """Everything that events cause for one correlation and those below it.

    Args:
        ruleset: All rules: what is projected depends on each of them.
        rule: The correlation.
        lateness_ns: None: events are looked at in order of time. Else they come in their order of arrival, and one is
            late when it is older than the newest by more than this.

    Attributes:
        router: Makes candidates.
        correlations: The correlation and those below it, each after those it names.
        rules: The detection rules that they name.
        groups: Candidates by correlation and group.
        events: Positions of the first events that matched, by rule.
        matched: How many matched, by rule.
        unkeyed: Positions of events without a key, by correlation and rule.
        lacking: The fields that these lack.
        untimed: Positions of matching events without a time.
        late: Positions of matching events that came late, with how far behind in ns.
        first_ns: Time of the first event of all, where a `first_seen` learns from it.
    """

    def __init__(self, ruleset: RuleSet, rule: CorrelationRule, lateness_ns: int | None = None) -> None:
        self.router = CandidateRouter(ruleset)
        below = _below(ruleset, rule)
        self.correlations = [each for each in ruleset.correlations.values() if each.meta.id in below]
        self.rules = {rule_id: each for rule_id, each in ruleset.rules.items() if rule_id in below}
        self.groups = defaultdict[str, dict[GroupKey, list[Candidate]]](dict)
        self.events = defaultdict[str, list[int]](list)
        self.matched = Counter[str]()
        self.unkeyed = defaultdict[tuple[str, str], list[int]](list)
        self.lacking = defaultdict[tuple[str, str], dict[str, None]](dict)
        self.untimed = set[int]()
        self.late = dict[int, int]()
        self.first_ns = END_OF_INPUT
        self._lateness_ns = lateness_ns
        self._newest_ns = NOT_YET
        self._learns = any(each.first_seen is not None for each in self.correlations)
        self._nearest = {rule_id: Nearest(RuleExplainer(each), 1) for rule_id, each in self.rules.items()}

    def read(self, batches: Iterable[Batch], match: MatchBatch, time_field: str) -> None:
        """Take all events.

        Args:
            batches: Events with their log sources.
            match: The engine's answer for a batch.
            time_field: Where an event's time stands.
        """
        first = 0
        for events, sources in batches:
            behind = self._note_times(events, time_field) if self._learns or self._lateness_ns is not None else {}
            for row, rule in match(events):
                if rule.meta.id in self.rules:
                    timed = Timed(first + row, instant_ns(time_of(events[row], time_field)), events[row])
                    self._take(rule, timed)
                    if row in behind:
                        self.late[first + row] = behind[row]
            for rule_id, nearest in self._nearest.items():
                if not self.matched[rule_id]:
                    for row, event in enumerate(events):
                        nearest.add(first + row, event, sources[row])
            first += len(events)

    def closest(self, rule_id: str) -> Explanation | None:
        """Explain the event that came nearest to a rule that none matched."""
        explanations = self._nearest[rule_id].explanations().explanations
        return explanations[0] if explanations and not self.matched[rule_id] else None

    def add(self, candidate: Candidate) -> None:
        """Take a candidate, such as the result of an inner correlation."""
        self.groups[candidate.correlation_id].setdefault(candidate.group, []).append(candidate)

    def lacks_key(self, rule_id: str, fields: Mapping[str, Any], events: Iterable[int]) -> None:
        """Note which correlations a match cannot enter for want of a key."""
        for correlation in self.correlations:
            route = self.router.route(correlation.meta.id, rule_id)
            if route is None or route.keep_null:
                continue
            missing = [part.field_path for part in route.parts if not groups_of((part,), fields, keep_null=False)[0]]
            if missing:
                self.unkeyed[correlation.meta.id, rule_id].extend(events)
                self.lacking[correlation.meta.id, rule_id].update(dict.fromkeys(missing))

    def _note_times(self, events: Iterable[Mapping[str, Any]], time_field: str) -> dict[int, int]:
        """Learn when learning begins, and return how far behind late events came, by position."""
        behind = dict[int, int]()
        for row, event in enumerate(events):
            time_ns = instant_ns(time_of(event, time_field))
            if time_ns is None:
                continue
            self._newest_ns = max(self._newest_ns, time_ns)
            if self._lateness_ns is None or self.first_ns == END_OF_INPUT:
                self.first_ns = min(self.first_ns, time_ns)
            if self._lateness_ns is not None and self._newest_ns - time_ns > self._lateness_ns:
                behind[row] = self._newest_ns - time_ns
        return behind

    def _take(self, rule: DetectionRule, timed: Timed) -> None:
        rule_id = rule.meta.id
        self.matched[rule_id] += 1
        if len(self.events[rule_id]) < MAX_EVENTS:
            self.events[rule_id].append(timed.index)
        if timed.time_ns is None:
            self.untimed.add(timed.index)
            return
        event = as_event(timed)
        self.lacks_key(rule_id, event.fields, (timed.index,))
        for candidate in self.router.candidates_for(rule_id, event, timed.time_ns):
            self.add(candidate)


def source_of(event: Mapping[str, Any], fields: SourceFields) -> LogSource:
    """Return the log source that an event names itself."""
    values = (event.get(fields.category), event.get(fields.product), event.get(fields.service))
    return LogSource(*(value if isinstance(value, str) else None for value in values))


def _below(ruleset: RuleSet, rule: CorrelationRule) -> set[str]:
    """Return the ids of a correlation and of all that it names, at any depth."""
    found, waiting = set[str](), [rule.meta.id]
    while waiting:
        rule_id = waiting.pop()
        if rule_id not in found:
            found.add(rule_id)
            inner = ruleset.correlations.get(rule_id)
            waiting.extend(named_rules(inner) if inner is not None else ())
    return found
