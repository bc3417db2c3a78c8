"""The fast path: which rules match which events of a batch, at a cost that does not grow with the rules.

Events are grouped by log source and shape. A plan, made for each log source from its own first events, brings up a few
rules an event by their anchors; what the anchors did not prove is checked exactly. Correctness never depends on the
plan. Events with lists in a field that a rule reads, and rules whose check raises, go to the oracle.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from detector.matching.batch import Batch, Hits
from detector.matching.columns import Event, NestedEventError
from detector.matching.evaluator import Predicate, compile_condition
from detector.matching.fields import Fields, flat_fields
from detector.matching.grouping import EventGroup, SourceFields, Sources, groups_of
from detector.matching.plan import Group, Plan
from detector.matching.planning import Planning
from detector.matching.scanner import ScannerName, default_scanner
from detector.matching.shapes import Shapes
from detector.matching.single import OneEvent, groups_of_one, texts_of_one
from detector.matching.terms import paths_of, tree_of
from detector.rules.logsources import contradicts
from detector.rules.model import DetectionRule, LogSource

_log = structlog.get_logger(__name__)

SMALL = 4
"""Events of one shape up to which columns do not pay."""

MAX_PLANNED = 30_000
"""Rules in all plans together; the plan used least recently goes first."""

_OTHER = "\x00other"
"""Stands for each value of a log source that no rule names: to the rules they are all the same."""

Found = tuple[int, int]
"""Event and rule, by number."""


class Matcher:
    """Matches rules against batches of events.

    Args:
        rules: Detection rules.
        failed: Called with a rule whose evaluation raised, and what; the others go on.
        scanner: Which scanner to use; None: the fastest there is.
    """

    def __init__(
        self,
        rules: Sequence[DetectionRule],
        failed: Callable[[DetectionRule, Exception], None],
        scanner: ScannerName | None = None,
    ) -> None:
        self._rules = rules
        self._failed = failed
        self._scanner: ScannerName = scanner or default_scanner()
        self._trees = [tree_of(rule.condition) for rule in rules]
        self._reads = [frozenset(paths_of(tree)) for tree in self._trees]
        self._predicates: dict[int, Predicate] = {}
        self._plannings: OrderedDict[LogSource, Planning] = OrderedDict()
        self._planned = 0
        self._shapes = Shapes()
        self._categories = _values(rules, "category")
        self._products = _values(rules, "product")
        self._services = _values(rules, "service")

    @property
    def plans(self) -> int:
        """How many plans were made for the log sources seen last."""
        return sum(planning.plans for planning in self._plannings.values())

    def match(self, events: Sequence[Event], sources: Sources) -> list[Found]:
        """Return which events match which rules, in order.

        Args:
            events: Flat or nested fields.
            sources: Where to read the log source of an event, or that of all events, or that of each.
        """
        found = list[Found]()
        if len(events) == 1 and self._match_one(events[0], sources, found):
            return found
        for group in groups_of(events, sources):
            self._match(group, found, is_flat=False)
        return sorted(set(found))

    def try_all(self, event: Event, source: LogSource) -> list[int]:
        """Return the rules that match one event, by trying each with the oracle."""
        fields = flat_fields(event)
        return [number for number in self._applicable(source) if self._holds(number, fields)]

    def _match_one(self, event: Event, sources: Sources, found: list[Found]) -> bool:
        """Match an event whose shape is known; return whether it could be done."""
        if isinstance(sources, LogSource):
            key: tuple[Any, ...] = (sources, *event)
        elif isinstance(sources, SourceFields):
            get = event.get
            key = (get(sources.category), get(sources.product), get(sources.service), *event)
        else:
            key = (sources[0], *event)
        try:
            known = self._shapes.known.get(key)
            if known is None:
                group = next(groups_of((event,), sources))
                self._shapes.learn(key, group.names, self._planning(group.source, group.events))
                return False
            planning, shape = known.planning, known.shape
            if shape.plan is not planning.plan:
                shape = self._shapes.learn(key, tuple(event), planning)
            texts = texts_of_one(shape, event)
        except Exception:  # noqa: BLE001  a value that cannot even be read: the longer way says which rule it is
            return False
        if texts is None:
            return False
        tries = 0
        groups = groups_of_one(shape, texts)
        if groups:
            tries = self._check(shape.plan, OneEvent(shape, event, texts), dict.fromkeys(groups, (0,)), (0,), found)
            if len(found) > 1:
                found[:] = sorted(set(found))
        if not planning.is_settled:
            planning.serve((event,))
        planning.count(1, tries)
        return True

    def _match(self, group: EventGroup, found: list[Found], *, is_flat: bool) -> None:
        try:
            planning = self._planning(group.source, group.events)
            if not planning.is_settled:
                planning.serve(group.events)
            if len(group.events) > SMALL:
                batch = Batch(planning.plan, group.names, group.columns(), group.events)
                tries = self._check(planning.plan, batch, batch.hits(is_flat=is_flat), group.rows, found)
            else:
                tries = self._match_few(planning, group, found, is_flat=is_flat)
            planning.count(len(group.events), tries)
        except NestedEventError:
            flat = [dict(flat_fields(event)) for event in group.events]
            for each in groups_of(flat, group.source):
                self._match(each.at(group.rows), found, is_flat=True)
        except Exception as error:  # noqa: BLE001  a value that cannot even be read: the oracle says which rule it is
            _log.warning("batch_failed", events=len(group.events), error=repr(error))
            for row, event in zip(group.rows, group.events, strict=True):
                found.extend((row, number) for number in self.try_all(event, group.source))

    def _match_few(self, planning: Planning, group: EventGroup, found: list[Found], *, is_flat: bool) -> int:
        shape = self._shapes.learn((group.source, *group.names), group.names, planning)
        tries = 0
        for row, event in zip(group.rows, group.events, strict=True):
            texts = texts_of_one(shape, event)
            if texts is not None:
                hits: Hits = dict.fromkeys(groups_of_one(shape, texts), (0,))
                tries += self._check(planning.plan, OneEvent(shape, event, texts), hits, (row,), found)
            else:
                batch = Batch(planning.plan, group.names, [(value,) for value in event.values()], (event,))
                tries += self._check(planning.plan, batch, batch.hits(is_flat=is_flat), (row,), found)
        return tries

    def _check(self, plan: Plan, batch: Batch | OneEvent, hits: Hits, places: Sequence[int], found: list[Found]) -> int:
        """Check what the anchors did not prove, and return how many rules were tried."""
        matched = found if isinstance(places, range) else list[Found]()
        folded, values, events, listed = batch.folded, batch.values, batch.events, batch.listed
        groups, tries = plan.groups, 0
        for number, rows in hits.items():
            group = groups[number]
            tries += len(group.rules) * len(rows)
            if not listed or listed.isdisjoint(self._paths(group)):
                try:
                    (group.check or plan.check_of(group))(folded, values, events, rows, matched.append)
                    continue
                except Exception:  # noqa: BLE001, S110  the oracle tells which rule it was, and goes on with the others
                    pass
            matched.extend((row, each) for row in rows for each in group.rules if self._holds(each, events[row]))
        if matched is not found:
            found.extend((places[row], number) for row, number in matched)
        return tries

    def _paths(self, group: Group) -> frozenset[str]:
        if group.paths is None:
            group.paths = frozenset[str]().union(*(self._reads[each] for each in group.rules))
        return group.paths

    def _holds(self, number: int, fields: Fields) -> bool:
        try:
            predicate = self._predicates.get(number)
            if predicate is None:
                predicate = self._predicates[number] = compile_condition(self._rules[number].condition)
            return predicate(fields)
        except Exception as error:  # noqa: BLE001  one of the broad catches: around one rule
            self._failed(self._rules[number], error)
            return False

    def _applicable(self, source: LogSource) -> list[int]:
        return [number for number, rule in enumerate(self._rules) if not contradicts(rule.logsource, source)]

    def _planning(self, source: LogSource, events: Sequence[Event]) -> Planning:
        source = LogSource(
            _canonical(source.category, self._categories),
            _canonical(source.product, self._products),
            _canonical(source.service, self._services),
        )
        planning = self._plannings.get(source)
        if planning is not None:
            self._plannings.move_to_end(source)
            return planning
        numbers = self._applicable(source)
        reads = frozenset[str]().union(*(self._reads[each] for each in numbers))
        trees = [(each, self._trees[each]) for each in numbers]
        planning = self._plannings[source] = Planning(trees, reads, self._scanner, events)
        self._planned += planning.weight
        while self._planned > MAX_PLANNED and len(self._plannings) > 1:
            self._planned -= self._plannings.popitem(last=False)[1].weight
            self._shapes = Shapes()  # they hold plans too
        return planning


def _canonical(value: str | None, known: frozenset[str]) -> str | None:
    return value if value is None or value in known else _OTHER


def _values(rules: Sequence[DetectionRule], part: str) -> frozenset[str]:
    values = (getattr(rule.logsource, part) for rule in rules)
    return frozenset(value for value in values if value is not None)
