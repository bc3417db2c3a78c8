"""The engine as a library: rules in, matches out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from detector.alert import Alert
from detector.alerting.document import AlertWriter
from detector.candidate import Match
from detector.errors import UnknownRuleError
from detector.evaluation import BATCH, BatchEvaluator
from detector.explaining.correlations.correlation import CorrelationExplainer
from detector.explaining.correlations.gathering import Gathered
from detector.explaining.correlations.model import CorrelationExplanation
from detector.explaining.lookup import find_rule
from detector.explaining.model import Explanation
from detector.explaining.rule import RuleExplainer, notes_of
from detector.matching.grouping import Sources
from detector.matching.matcher import Matcher
from detector.matching.scanner import ScannerName
from detector.rules.condition import TIME_FIELD
from detector.rules.model import CorrelationRule, DetectionRule, LogSource, RuleSet
from normalizers.event import EcsEvent
from normalizers.timestamps import format_utc

_log = structlog.get_logger(__name__)


class Engine:
    """Matches detection rules against events.

    Args:
        ruleset: Loaded rules.
        scanner: Which scanner to use; None: the fastest that this machine has.

    Attributes:
        failures: Rules whose evaluation failed, with how often.
        reads_time: Whether a rule, or the end of a filter, asks for the event's time.
    """

    def __init__(self, ruleset: RuleSet, scanner: ScannerName | None = None) -> None:
        self.ruleset = ruleset
        self.failures: dict[str, int] = {}
        self._noticed = Counter[str]()
        self._rules = list(ruleset.rules.values())
        self.reads_time = any(TIME_FIELD in rule.field_paths for rule in self._rules)
        self._matcher = Matcher(self._rules, self._failed, scanner)

    @property
    def cut(self) -> int:
        """How many events were so large that rules saw only their beginning."""
        return self._matcher.large

    def noticed(self) -> Counter[str]:
        """Return what went wrong since the last call, by kind: `rule_failed`, `event_cut`; for the metrics."""
        now = Counter(rule_failed=sum(self.failures.values()), event_cut=self.cut)
        found, self._noticed = now - self._noticed, now
        return found

    def match(
        self, event: Mapping[str, Any], logsource: LogSource | Mapping[str, str] | None = None, *, event_id: str = ""
    ) -> list[Match]:
        """Return the rules that match one event.

        Args:
            event: Flat or nested fields.
            logsource: Where the event comes from; a rule is skipped only when a part that both name differs.
            event_id: Put into the matches.
        """
        return [Match(rule.meta.id, event_id) for rule in self.rules_matching(event, _source(logsource))]

    def evaluate(
        self, events: Iterable[Mapping[str, Any]], *, time_field: str = "@timestamp", lateness_ns: int | None = None
    ) -> list[Alert]:
        """Evaluate a batch, correlations included.

        Args:
            events: Flat or nested fields; the position is the event's id (`convergence.evidence_ids`).
            time_field: Where the time stands.
            lateness_ns: None: sorted by time first; else input order is arrival.

        Returns:
            One alert a match of a rule that alerts and an episode of a correlation, sorted by time and first event.
        """

        def match(some: Sequence[Mapping[str, Any]]) -> list[tuple[int, DetectionRule]]:
            return self.match_batch(some, LogSource())

        batch = BatchEvaluator(self.ruleset, match, time_field=time_field, lateness_ns=lateness_ns)
        given = list(events)
        writer = AlertWriter(self.ruleset)
        alerts = list[Alert]()
        for found in batch.evaluate(given[start : start + BATCH] for start in range(0, len(given), BATCH)):
            draft = batch.draft_of(found, given[found.event_indexes[0]])
            alerts.append(Alert(draft.alert_id, 1, writer.to_document(draft, 1, draft.alert_id, [])))
        return alerts

    def explain(
        self, rule: str, event: Mapping[str, Any], logsource: LogSource | Mapping[str, str] | None = None
    ) -> Explanation:
        """Explain why a detection rule matches one event, or why it does not.

        Args:
            rule: Its id, name or title.
            event: Flat or nested fields.
            logsource: As for `match`.

        Raises:
            UnknownRuleError: There is no such rule, or it is a correlation.
        """
        found = find_rule(self.ruleset, rule)
        if not isinstance(found, DetectionRule):
            raise UnknownRuleError(f"{rule!r} is a correlation, which no single event matches; use explain_correlation")
        return RuleExplainer(found, notes_of(found, self.ruleset)).explain(event, _source(logsource))

    def explain_correlation(
        self, rule: str, events: Iterable[Mapping[str, Any]], *, time_field: str = "@timestamp"
    ) -> CorrelationExplanation:
        """Explain where a correlation fired over a batch, with which candidates, or what it misses.

        Args:
            rule: Its id, name or title.
            events: As for `evaluate`; their position is their number.
            time_field: Where the time stands.

        Raises:
            UnknownRuleError: There is no such correlation.
        """
        found = find_rule(self.ruleset, rule)
        if not isinstance(found, CorrelationRule):
            raise UnknownRuleError(f"{rule!r} is no correlation; use explain")
        gathered = Gathered(self.ruleset, found)
        given = list(events)
        parts = (given[start : start + BATCH] for start in range(0, len(given), BATCH))
        batches = ((some, [LogSource()] * len(some)) for some in parts)
        gathered.read(batches, lambda some: self.match_batch(some, LogSource()), time_field)
        return CorrelationExplainer(self.ruleset, found, gathered).explain()

    def rules_matching(self, event: Mapping[str, Any], logsource: LogSource | None = None) -> list[DetectionRule]:
        """Return the rules that match one event, flat or nested."""
        return [self._rules[number] for _, number in self._matcher.match((event,), logsource or LogSource())]

    def rules_for(self, event: EcsEvent, logsource: LogSource | None = None) -> list[DetectionRule]:
        """Return the rules that match an event of the engine's own, whose time stands beside its fields."""
        return self.rules_matching(self.fields_of(event), logsource)

    def fields_of(self, event: EcsEvent) -> Mapping[str, Any]:
        """Return what rules read of an event of the engine's own: its fields, and its time if any asks for it."""
        return {**event.fields, TIME_FIELD: format_utc(event.time_ns)} if self.reads_time else event.fields

    def match_batch(self, events: Sequence[Mapping[str, Any]], sources: Sources) -> list[tuple[int, DetectionRule]]:
        """Return the position of each event that matched, with the rule, in order: the fastest way in.

        Args:
            events: Flat or nested fields.
            sources: Their log source, that of each, or the fields that say it.
        """
        rules = self._rules
        found = self._matcher.match(events, sources)
        return [(row, rules[number]) for row, number in found] if found else []

    def _failed(self, rule: DetectionRule, error: Exception) -> None:
        if rule.meta.id not in self.failures:
            _log.error("rule_failed", rule=rule.meta.title, path=rule.meta.path, error=repr(error))
        self.failures[rule.meta.id] = self.failures.get(rule.meta.id, 0) + 1


def _source(given: LogSource | Mapping[str, str] | None) -> LogSource:
    if isinstance(given, Mapping):
        return LogSource(given.get("category"), given.get("product"), given.get("service"))
    return given or LogSource()
