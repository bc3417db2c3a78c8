"""The engine as a library: rules in, matches out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import structlog

from detector.alert import Alert
from detector.alerting.document import AlertWriter
from detector.candidate import Match
from detector.evaluation import BatchEvaluator
from detector.matching.evaluator import Predicate, compile_condition
from detector.matching.fields import Fields, NestedFields
from detector.matching.index import RuleIndex
from detector.rules.logsources import contradicts
from detector.rules.model import DetectionRule, LogSource, RuleSet
from normalizers.event import Value

_log = structlog.get_logger(__name__)


class Engine:
    """Matches detection rules against events.

    Args:
        ruleset: Loaded rules.

    Attributes:
        failures: Rules whose evaluation failed, with how often.
    """

    def __init__(self, ruleset: RuleSet) -> None:
        self.ruleset = ruleset
        self.failures: dict[str, int] = {}
        self._predicates: dict[str, Predicate] = {}
        for rule in ruleset.rules.values():
            self._predicates[rule.meta.id] = compile_condition(rule.condition)
        self._index_for = lru_cache(maxsize=1_024)(self._build_index)

    def match(
        self, event: Mapping[str, Any], logsource: LogSource | Mapping[str, str] | None = None, *, event_id: str = ""
    ) -> list[Match]:
        """Return the rules that match one event.

        Args:
            event: Flat or nested fields.
            logsource: Where the event comes from; a rule is skipped only when a part that both name differs.
            event_id: Put into the matches.
        """
        if isinstance(logsource, Mapping):
            logsource = LogSource(logsource.get("category"), logsource.get("product"), logsource.get("service"))
        return [Match(rule.meta.id, event_id) for rule in self.rules_matching(event, logsource)]

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
        batch = BatchEvaluator(self.ruleset, self.rules_matching, time_field=time_field, lateness_ns=lateness_ns)
        given = list(events)
        writer = AlertWriter(self.ruleset)
        alerts = list[Alert]()
        for found in batch.evaluate(given):
            draft = batch.draft_of(found, given[found.event_indexes[0]])
            alerts.append(Alert(draft.alert_id, 1, writer.to_document(draft, 1, draft.alert_id, [])))
        return alerts

    def rules_matching(self, event: Mapping[str, Any], logsource: LogSource | None = None) -> list[DetectionRule]:
        """Return the rules that match one event, flat or nested."""
        return self._matching(NestedFields(event), logsource or LogSource())

    def match_fields(self, fields: dict[str, Value], logsource: LogSource | None) -> list[DetectionRule]:
        """Return the rules that match flat fields: the pipeline's way in."""
        return self._matching(fields, logsource or LogSource())

    def _matching(self, fields: Fields, logsource: LogSource) -> list[DetectionRule]:
        matching = list[DetectionRule]()
        for rule in self._index_for(logsource).candidates(fields):
            try:
                if self._predicates[rule.meta.id](fields):
                    matching.append(rule)
            except Exception as error:  # noqa: BLE001  the other of two broad catches: around one rule
                self._failed(rule, error)
        return matching

    def _failed(self, rule: DetectionRule, error: Exception) -> None:
        if rule.meta.id not in self.failures:
            _log.error("rule_failed", rule=rule.meta.title, path=rule.meta.path, error=repr(error))
        self.failures[rule.meta.id] = self.failures.get(rule.meta.id, 0) + 1

    def _build_index(self, logsource: LogSource) -> RuleIndex:
        return RuleIndex(rule for rule in self.ruleset.rules.values() if not contradicts(rule.logsource, logsource))
