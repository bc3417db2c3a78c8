"""Names of rules, events, groups and lengths of time as sentences use them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from detector.candidate import Candidate, GroupKey
from detector.correlation.ordering import END_OF_INPUT, NOT_YET
from detector.explaining.wording import shortened
from detector.rules.model import CorrelationRule, RuleMeta, Threshold

MAX_LISTED = 5
"""Events or values that a sentence lists."""

_UNITS = ((86_400 * 10**9, "d"), (3_600 * 10**9, "h"), (60 * 10**9, "m"), (10**9, "s"))

_UNSPEAKABLE = re.compile(r"(?i)[0-9a-f-]{32,36}")

_COMPARED = {"gt": "more than", "gte": "at least", "lt": "fewer than", "lte": "at most", "eq": "exactly", "neq": "not"}


class Words:
    """Speaks of the candidates of one correlation.

    Args:
        rule: The correlation.
        metas: What people read of each rule, by id.
        groups: All candidates by group.
        unkeyed: Rule id to the events that match and have no value for the group.
    """

    def __init__(
        self,
        rule: CorrelationRule,
        metas: Mapping[str, RuleMeta],
        groups: Mapping[GroupKey, Sequence[Candidate]],
        unkeyed: Mapping[str, Sequence[int]],
    ) -> None:
        self._rule = rule
        self._metas = metas
        self._groups = groups
        self._unkeyed = unkeyed

    def rule(self, rule_id: str) -> str:
        """Return a rule's name in quotes."""
        return f"`{name_of(self._metas[rule_id])}`"

    def event(self, candidate: Candidate) -> str:
        """Return ``event 7``, or the events of an inner correlation's result."""
        return events_text(events_of(candidate))

    def group(self, key: GroupKey) -> str:
        """Return ``user.name=ada``."""
        pairs = zip(self._rule.group_by, key, strict=False)
        return ", ".join(f"{name}={'null' if value is None else shortened(value, 60)}" for name, value in pairs)

    def elsewhere(self, rule_id: str, key: GroupKey, start_ns: int = NOT_YET, end_ns: int = END_OF_INPUT) -> str:
        """Say where a rule matched between two times, but not in a group; empty when it did not."""
        for other, candidates in self._groups.items():
            for each in candidates if other != key else ():
                if each.rule_name == rule_id and start_ns <= each.time_ns <= end_ns:
                    return f"it matched {self.event(each)}, but for {self.group(other)}"
        unkeyed = self._unkeyed.get(rule_id, ()) if start_ns == NOT_YET else ()
        return f"it matched {events_text(unkeyed)}, without {' and '.join(self._rule.group_by)}" if unkeyed else ""


def compared(thresholds: Sequence[Threshold]) -> str:
    """Write a condition on a number: ``at least 5``."""
    return " and ".join(f"{_COMPARED[each.operator]} {each.value:g}" for each in thresholds)


def name_of(meta: RuleMeta) -> str:
    """Return a rule's name, or its title where its only name is a UUID or a hash."""
    return shortened(meta.title) if _UNSPEAKABLE.fullmatch(meta.name) else meta.name


def wanted_number(thresholds: Sequence[Threshold]) -> int | None:
    """Return how many are enough, when more always help; None for other conditions."""
    if any(each.operator not in {"gt", "gte"} for each in thresholds):
        return None
    return max(int(each.value) + (each.operator == "gt" or each.value % 1 > 0) for each in thresholds)


def events_of(candidate: Candidate) -> tuple[int, ...]:
    """Return the positions of the events that a candidate rests on."""
    steps = candidate.evidence
    return tuple(sorted({int(step.event_id) for step in steps})) if steps else (int(candidate.event_id),)


def events_text(events: Iterable[int]) -> str:
    """Return ``event 7`` or ``events 3, 4``."""
    listed = list(events)
    more = f" and {len(listed) - MAX_LISTED} more" if len(listed) > MAX_LISTED else ""
    return f"event{'s' if len(listed) > 1 else ''} {', '.join(map(str, listed[:MAX_LISTED]))}{more}"


def length(span_ns: int) -> str:
    """Write a length of time in the unit that people would use: ``70 s``, ``5 m``, ``1.5 h``."""
    for unit_ns, unit in _UNITS:
        if span_ns >= 2 * unit_ns or span_ns == unit_ns:
            return f"{round(span_ns / unit_ns, 2):g} {unit}"
    return f"{span_ns / 10**9:g} s"
