"""The fast path: which rules match which events of a batch, at a cost that does not grow with the rules.

Events are grouped by log source and shape. A plan, made for each log source from its own first events, brings up a few
rules an event by their anchors; what the anchors did not prove is checked exactly. Correctness never depends on the
plan. Events with lists in a field that a rule reads, and rules whose check raises, go to the oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from detector.matching.anchors import ways_of
from detector.matching.batch import Batch
from detector.matching.checker import Checker
from detector.matching.columns import Event, NestedEventError, ReservedNameError
from detector.matching.fields import flat_fields
from detector.matching.group import Found
from detector.matching.grouping import EventGroup, SourceFields, Sources, groups_of
from detector.matching.limits import MAX_DEPTH, MAX_FIELDS, MAX_VALUES, is_large
from detector.matching.plan import Findable
from detector.matching.planning import Planner, Planning
from detector.matching.scanner import ScannerName, default_scanner
from detector.matching.shapes import Shapes
from detector.matching.single import outcome_of_one
from detector.matching.terms import KEYWORD, Terms
from detector.rules.logsources import contradicts
from detector.rules.model import DetectionRule, LogSource
from detector.rules.naming import size

_log = structlog.get_logger(__name__)

SMALL = 4
"""Events of one shape up to which columns do not pay."""

_OTHER = "\x00other"
"""Stands for each value of a log source that no rule names: to the rules they are all the same."""


class Matcher:
    """Matches rules against batches of events.

    Args:
        rules: Detection rules.
        failed: Called with a rule whose evaluation raised, and what; the others go on.
        scanner: Which scanner to use; None: the fastest there is.

    Attributes:
        large: Events of which only the beginning was looked at.
    """

    def __init__(
        self,
        rules: Sequence[DetectionRule],
        failed: Callable[[DetectionRule, Exception], None],
        scanner: ScannerName | None = None,
    ) -> None:
        terms = Terms()
        findable = [_findable(number, rule, terms) for number, rule in enumerate(rules)]
        self._rules = rules
        self._checker = Checker(rules, findable, failed)
        self._planner = Planner(findable, terms, scanner or default_scanner(), self._applies)
        self._shapes = Shapes()
        self._has_asked = False
        self.large = 0
        self._categories = _values(rules, "category")
        self._products = _values(rules, "product")
        self._services = _values(rules, "service")

    @property
    def plans(self) -> int:
        """How many plans were made."""
        return self._planner.plans

    def match(self, events: Sequence[Event], sources: Sources) -> list[Found]:
        """Return which events match which rules, in order.

        Args:
            events: Flat or nested fields.
            sources: Where to read the log source of an event, or that of all events, or that of each.
        """
        if len(events) == 1:
            found = self._match_one(events[0], sources)
            if found is not None:
                return found
        found = []
        for group in groups_of(events, sources):
            self._match(group, found)
        return sorted(set(found))

    def try_all(self, event: Event, source: LogSource) -> list[int]:
        """Return the rules that match one event, by trying each with the oracle."""
        fields = flat_fields(event)
        numbers = [number for number in range(len(self._rules)) if self._applies(number, source)]
        return [number for number in numbers if self._checker.holds(number, fields)]

    def _match_one(self, event: Event, sources: Sources) -> list[Found] | None:
        """Match an event whose shape is known; return None when it takes the longer way."""
        try:
            if isinstance(sources, SourceFields):
                get = event.get
                key: tuple[Any, ...] = (get(sources.category), get(sources.product), get(sources.service), *event)
            else:
                source = sources if isinstance(sources, LogSource) else sources[0]
                key = (source.category, source.product, source.service, *event)
            known = self._shapes.known.get(key)
            if known is None or known.shape.plan is not known.planning.plan:
                return None
            one = outcome_of_one(known.shape, event)
        except Exception:  # noqa: BLE001  a value that cannot even be read: the longer way says which rule it is
            return None
        if one is None:
            return None
        outcome, text = one
        found = self._checker.check_one(known.shape, event, text, outcome)
        planning = known.planning
        planning.count(1, outcome.tries)
        if self._planner.is_busy or not planning.is_settled:
            found = self._of_source(found, known.source, planning)
            self._serve(known.source, (event,))
        return found

    def _match(self, group: EventGroup, found: list[Found], *, is_flat: bool = False) -> None:
        """Add the matches of some events of one log source and shape."""
        try:
            if len(group.names) > MAX_FIELDS and not is_flat:
                raise NestedEventError  # noqa: TRY301  of a large event the beginning counts
            if KEYWORD in group.names:
                raise ReservedNameError  # noqa: TRY301  the oracle reads no columns: it may have this name
            source = self._canonical(group.source)
            planning = self._planner.planning(source, group.events)
            own: list[Found] = []
            if len(group.events) > SMALL:
                batch = Batch(planning.plan, group.names, group.columns(), group.events)
                tries = self._checker.check(planning.plan, batch, batch.hits(is_flat=is_flat), own)
            else:
                tries = self._match_few(planning, source, group, own, is_flat=is_flat)
            planning.count(len(group.events), tries)
            if self._planner.is_busy or not planning.is_settled:
                own = self._of_source(own, source, planning)
                self._serve(source, group.events)
            rows = group.rows
            found.extend(own if isinstance(rows, range) else ((rows[row], number) for row, number in own))
        except NestedEventError:
            self._count_large(group.events)
            flat = [dict(flat_fields(event)) for event in group.events]
            for each in groups_of(flat, group.source):
                self._match(each.at(group.rows), found, is_flat=True)
        except Exception as error:  # noqa: BLE001  something in an event that cannot even be read
            if len(group.events) > 1:  # the others are none the worse for it
                for row, event in zip(group.rows, group.events, strict=True):
                    self._match(EventGroup(group.source, group.names, (event,), (row,)), found, is_flat=is_flat)
            else:
                self._ask_oracle(group, found, error)

    def _count_large(self, events: Sequence[Event]) -> None:
        count = sum(map(is_large, events))
        if count and not self.large:
            remedy = "look at what sends such events; more of them are only counted"
            _log.warning("event_cut", fields=MAX_FIELDS, values=MAX_VALUES, levels=MAX_DEPTH, remedy=remedy)
        self.large += count

    def _ask_oracle(self, group: EventGroup, found: list[Found], error: Exception) -> None:
        if not self._has_asked:
            self._has_asked = True
            _log.warning("fast_path_failed", error=repr(error), remedy="none needed: such events take a slow path")
        try:
            found.extend((group.rows[0], number) for number in self.try_all(group.events[0], group.source))
        except Exception as other:  # noqa: BLE001  one of the broad catches: around one record
            _log.error("event_unreadable", error=repr(other))

    def _match_few(
        self, planning: Planning, source: LogSource, group: EventGroup, found: list[Found], *, is_flat: bool
    ) -> int:
        raw = group.source
        key = (raw.category, raw.product, raw.service, *group.names)
        shape = self._shapes.learn(key, source, group.names, planning).shape
        tries = 0
        for row, event in enumerate(group.events):
            one = outcome_of_one(shape, event)
            if one is not None:
                outcome, text = one
                own = self._checker.check_one(shape, event, text, outcome)
                tries += outcome.tries
            else:
                own = list[Found]()
                batch = Batch(planning.plan, group.names, [(value,) for value in event.values()], (event,))
                tries += self._checker.check(planning.plan, batch, batch.hits(is_flat=is_flat), own)
            found.extend((row, number) for _, number in own)
        return tries

    def _serve(self, source: LogSource, events: Sequence[Event]) -> None:
        if self._planner.serve(source, events):
            self._shapes = Shapes()  # they hold plans

    def _of_source(self, found: list[Found], source: LogSource, planning: Planning) -> list[Found]:
        """Leave out rules of other log sources, where the plan of all rules served."""
        if planning.source is not None:
            return found
        return [each for each in found if self._applies(each[1], source)]

    def _applies(self, number: int, source: LogSource) -> bool:
        return not contradicts(self._rules[number].logsource, source)

    def _canonical(self, source: LogSource) -> LogSource:
        return LogSource(
            _canonical(source.category, self._categories),
            _canonical(source.product, self._products),
            _canonical(source.service, self._services),
        )


def _findable(number: int, rule: DetectionRule, terms: Terms) -> Findable:
    tree, reads = terms.tree_of(rule.condition)
    return Findable(number, tree, ways_of(tree, terms), reads, size(rule.condition))


def _canonical(value: str | None, known: frozenset[str]) -> str | None:
    return value if value is None or value in known else _OTHER


def _values(rules: Sequence[DetectionRule], part: str) -> frozenset[str]:
    values = (getattr(rule.logsource, part) for rule in rules)
    return frozenset(value for value in values if value is not None)
