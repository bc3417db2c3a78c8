"""Trying rules: by the checks of a plan, and by the oracle where there is none or a check raises."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from detector.matching.batch import Batch, Hits
from detector.matching.columns import Event
from detector.matching.evaluator import Predicate, compile_condition
from detector.matching.fields import Fields
from detector.matching.group import Found
from detector.matching.outcomes import Outcome
from detector.matching.plan import Findable, Plan
from detector.matching.single import OneEvent, Shape
from detector.rules.model import DetectionRule

MAX_BYTES = 40 << 20
"""Memory of what the oracle compiled, about, or of the largest rule; the rule used least recently goes first.
All of SigmaHQ's fit, so that an event on which every rule is tried does not compile them anew."""

_PREDICATE = 600
"""Bytes of a part of a condition as the oracle compiles it, as measured."""

_FIRST = (0,)


class Checker:
    """Tries rules on events.

    Args:
        rules: Detection rules.
        findable: The same as plans see them.
        failed: Called with a rule whose evaluation raised, and what; the others go on.
    """

    def __init__(
        self,
        rules: Sequence[DetectionRule],
        findable: Sequence[Findable],
        failed: Callable[[DetectionRule, Exception], None],
    ) -> None:
        self._rules = rules
        self._findable = findable
        self._failed = failed
        self._predicates = OrderedDict[int, Predicate]()
        self._predicate_bytes = 0

    def check(self, plan: Plan, batch: Batch, hits: Hits, found: list[Found]) -> int:
        """Find which rules match that anchors brought up, and return how many were tried."""
        folded, values, events, listed = batch.folded, batch.values, batch.events, batch.listed
        groups, tries = plan.groups, 0
        for number, rows in hits.items():
            group = groups[number]
            tries += len(group.rules) * len(rows)
            if not listed or listed.isdisjoint(self._reads(group.rules)):
                try:
                    (group.check or plan.check_of(group))(folded, values, events, rows, found.append)
                    continue
                except Exception:  # noqa: BLE001, S110  the oracle tells which rule it was, and goes on with the others
                    pass
            found.extend((row, each) for row in rows for each in group.rules if self.holds(each, events[row]))
        return tries

    def check_one(self, shape: Shape, event: Event, text: str, outcome: Outcome) -> list[Found]:
        """Return the rules that match one event, which is row 0, in order."""
        found = [*outcome.found]
        if not outcome.groups:
            return found
        plan, one = shape.plan, OneEvent(shape, event, text)
        folded, values, events = one.folded, one.values, one.events
        for group in outcome.groups:
            try:
                (group.check or plan.check_of(group))(folded, values, events, _FIRST, found.append)
            except Exception:  # noqa: BLE001  as above
                found.extend((0, each) for each in group.rules if self.holds(each, event))
        return sorted(set(found)) if len(found) > 1 else found

    def holds(self, number: int, fields: Fields) -> bool:
        """Return what the oracle says of a rule; False when its evaluation raises."""
        try:
            return self._predicate(number)(fields)
        except Exception as error:  # noqa: BLE001  one of the broad catches: around one rule
            self._failed(self._rules[number], error)
            return False

    def _predicate(self, number: int) -> Predicate:
        predicate = self._predicates.get(number)
        if predicate is not None:
            self._predicates.move_to_end(number)
            return predicate
        predicate = self._predicates[number] = compile_condition(self._rules[number].condition)
        self._predicate_bytes += self._findable[number].parts * _PREDICATE
        while self._predicate_bytes > MAX_BYTES and len(self._predicates) > 1:
            oldest, _ = self._predicates.popitem(last=False)
            self._predicate_bytes -= self._findable[oldest].parts * _PREDICATE
        return predicate

    def _reads(self, numbers: Iterable[int]) -> frozenset[str]:
        return frozenset[str]().union(*(self._findable[each].reads for each in numbers))
