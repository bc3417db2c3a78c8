"""From a match to the candidates and alert drafts that it causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from detector.alert import AlertDraft
from detector.candidate import Candidate, GroupKey, Unsettled
from detector.correlation.evidence import step_of
from detector.correlation.identity import alert_id
from detector.correlation.keys import KeyPart, groups_of, key_parts
from detector.correlation.plan import named_rules, suppressing
from detector.correlation.projection import Projection, needed_fields, read_of_part, sentence_fields
from detector.rules.model import CorrelationRule, DetectionRule, RuleMeta, RuleSet
from normalizers.event import EcsEvent, Value


class Route(msgspec.Struct, frozen=True):
    """How matches of one rule enter one correlation.

    Attributes:
        correlation_id: Where they go.
        parts: How the group is read.
        keep_null: `null_group: keep`.
    """

    correlation_id: str
    parts: tuple[KeyPart, ...]
    keep_null: bool


class CandidateRouter:
    """Knows, for each rule, which correlations name it and which fields they need.

    Attributes:
        left_out: What did not count: `unkeyed` matches that lacked a group key, `excess_groups` beyond the bound of
            a list-valued key.
    """

    def __init__(self, ruleset: RuleSet) -> None:
        self.left_out = Counter[str]()
        self._ruleset = ruleset
        self._routes: dict[str, tuple[Route, ...]] = {}
        self._projections: dict[str, Projection] = {}
        self._prepare(ruleset)

    @property
    def routes(self) -> dict[str, tuple[Route, ...]]:
        """How matches of each rule that a correlation names enter it."""
        return {rule_id: routes for rule_id, routes in self._routes.items() if routes}

    @property
    def listening(self) -> frozenset[str]:
        """Ids of detection rules whose matches have any effect."""
        return frozenset(
            rule.meta.id for rule in self._ruleset.rules.values() if rule.meta.generate or self._routes[rule.meta.id]
        )

    def outputs_for(
        self, rule: DetectionRule, event: EcsEvent, ready_ns: int, unsettled: Unsettled | None = None
    ) -> list[Candidate | AlertDraft]:
        """Return everything that a match causes.

        Args:
            rule: The detection rule that matched.
            event: The event, corrected and enriched.
            ready_ns: Ready time of its record.
            unsettled: Set when the match rests on a missing context row: then nothing alerts yet.
        """
        outputs: list[Candidate | AlertDraft] = list(self.candidates_for(rule.meta.id, event, ready_ns, unsettled))
        if rule.meta.generate and rule.suppress is None:
            if unsettled is None:
                outputs.append(self.draft_for(rule.meta, event, ready_ns))
            else:
                outputs.append(self._template(rule.meta, event, ready_ns, unsettled))
        return outputs

    def candidates_for(
        self, rule_id: str, event: EcsEvent, ready_ns: int, unsettled: Unsettled | None = None
    ) -> list[Candidate]:
        """Return one candidate for each group of each correlation that names a rule."""
        routes = self._routes.get(rule_id, ())
        candidates = list[Candidate]()
        if not routes:
            return candidates
        template = self._template(self._ruleset.rules[rule_id].meta, event, ready_ns, unsettled)
        for route, groups in self._places(routes, template.fields):
            for group in groups:
                candidates.append(replace(template, correlation_id=route.correlation_id, group=group))
        return candidates

    def draft_for(self, meta: RuleMeta, event: EcsEvent, ready_ns: int) -> AlertDraft:
        """Return the alert of a single-event rule: one step, closed at once."""
        evidence = self._template(meta, event, ready_ns, None)
        return AlertDraft(
            alert_id=alert_id(meta, (), event.id, ready_ns),
            rule_id=meta.id,
            group=(),
            status="closed",
            opened_ns=event.time_ns,
            last_ns=event.time_ns,
            ready_ns=ready_ns,
            count=1,
            steps=(step_of(evidence, meta.title),),
            fields=evidence.fields,
            reason="one event matched",
        )

    def settled(self, candidate: Candidate, fields: dict[str, Value]) -> list[Candidate | AlertDraft]:
        """Return what an unsettled candidate becomes once its context is final; its groups may have changed."""
        if candidate.unsettled is None:
            return [candidate]
        event = replace(candidate.unsettled.event, fields=fields)
        rule_id = candidate.rule_name
        if not any(route.correlation_id == candidate.correlation_id for route in self._routes.get(rule_id, ())):
            return [self.draft_for(self._ruleset.rules[rule_id].meta, event, candidate.ready_ns)]
        return [
            each
            for each in self.candidates_for(rule_id, event, candidate.ready_ns)
            if each.correlation_id == candidate.correlation_id
        ]

    def result_candidates(self, result: Candidate) -> list[Candidate]:
        """Return one candidate for each group of each correlation that names the correlation of a result.

        Args:
            result: A correlation's result; its `rule_name` is the correlation's id.
        """
        return [
            replace(result, correlation_id=route.correlation_id, group=group)
            for route, groups in self._places(self._routes.get(result.rule_name, ()), result.fields)
            for group in groups
        ]

    def title_of(self, rule_id: str) -> str:
        """Return the title of a rule or correlation."""
        rule = self._ruleset.rules.get(rule_id) or self._ruleset.correlations.get(rule_id)
        return rule_id if rule is None else rule.meta.title

    def is_named(self, rule_id: str) -> bool:
        """Return whether any correlation names a rule or correlation."""
        return bool(self._routes.get(rule_id))

    def route(self, correlation_id: str, rule_id: str) -> Route | None:
        """Return how matches of a rule enter a correlation, None when they do not."""
        return next((each for each in self._routes.get(rule_id, ()) if each.correlation_id == correlation_id), None)

    def _places(self, routes: Iterable[Route], fields: dict[str, Value]) -> Iterator[tuple[Route, list[GroupKey]]]:
        """Yield the groups that fields give on each route; alike routes one after another share the reading."""
        groups, excess = list[GroupKey](), 0
        parts, keep_null = None, False
        for route in routes:
            if route.parts is not parts or route.keep_null is not keep_null:
                parts, keep_null = route.parts, route.keep_null
                groups, excess = groups_of(parts, fields, keep_null=keep_null)
            if excess:
                self.left_out["excess_groups"] += excess
            if not groups:
                self.left_out["unkeyed"] += 1
            yield route, groups

    def _template(self, meta: RuleMeta, event: EcsEvent, ready_ns: int, unsettled: Unsettled | None) -> Candidate:
        fields = self._projections[meta.id](event.fields)
        return Candidate(
            correlation_id=meta.id,
            group=(),
            rule_name=meta.id,
            event_id=event.id,
            time_ns=event.time_ns,
            ready_ns=ready_ns,
            uncertainty_ns=event.uncertainty_ns,
            source=event.source,
            fields=fields,
            unsettled=unsettled,
        )

    def _prepare(self, ruleset: RuleSet) -> None:
        routes = {rule_id: list[Route]() for rule_id in (*ruleset.rules, *ruleset.correlations)}
        needed = {rule_id: set[str]() for rule_id in routes}
        names = {key: rule.meta.name for key, rule in ruleset.rules.items()}
        names |= {key: rule.meta.name for key, rule in ruleset.correlations.items()}
        known = dict[tuple[KeyPart, ...], tuple[KeyPart, ...]]()
        correlations = [*ruleset.correlations.values(), *_suppressed(ruleset)]
        for correlation in correlations:
            for rule_id in named_rules(correlation):
                parts = key_parts(correlation, rule_id)
                parts = known.setdefault(parts, parts)
                routes[rule_id].append(Route(correlation.meta.id, parts, correlation.null_group == "keep"))
                paths = needed_fields(correlation, rule_id) | sentence_fields(correlation.meta)
                needed[rule_id] |= read_of_part(paths, names[rule_id])
        for correlation in reversed(correlations):
            # What an outer correlation reads of an inner one's results must be in the inner one's parts.
            outer = needed.get(correlation.meta.id, set())
            for rule_id in named_rules(correlation):
                needed[rule_id] |= read_of_part(outer, names[rule_id])
        for rule in ruleset.rules.values():
            needed[rule.meta.id] |= sentence_fields(rule.meta)
        self._routes = {rule_id: tuple(found) for rule_id, found in routes.items()}
        projections = {paths: Projection(paths) for paths in {frozenset(each) for each in needed.values()}}
        self._projections = {rule_id: projections[frozenset(needed[rule_id])] for rule_id in ruleset.rules}


def _suppressed(ruleset: RuleSet) -> list[CorrelationRule]:
    return [suppressing(rule, rule.suppress) for rule in ruleset.rules.values() if rule.suppress is not None]
