"""Names of rules, events, groups and lengths of time as sentences use them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence

from detector.candidate import Candidate, GroupKey
from detector.explaining.wording import shortened
from detector.rules.model import CorrelationRule, RuleMeta, Threshold

MAX_LISTED = 5
"""Events or values that a sentence lists."""

MAX_AROUND = 10
"""Matches of other groups that are looked at on each side of a span."""

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
        self._matches = dict[str, list[Candidate]]()

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

    def elsewhere(self, rule_id: str, key: GroupKey, start_ns: int, end_ns: int, *, in_time: bool = False) -> str:
        """Say where a rule matched, nearest to a span of time, but not in a group; empty when it did not.

        Args:
            rule_id: The rule.
            key: The group, in which it has no match between these times.
            start_ns: Start of the span.
            end_ns: Its end.
            in_time: Only a match inside the span counts.
        """
        found = [each for each in self._around(rule_id, start_ns, end_ns) if each.group != key]
        if in_time:
            found = [each for each in found if start_ns <= each.time_ns <= end_ns]
        if found:
            nearest = min(found, key=lambda each: max(start_ns - each.time_ns, each.time_ns - end_ns))
            return f"it matched {self.event(nearest)}, but for {self.group(nearest.group)}"
        unkeyed = () if in_time else self._unkeyed.get(rule_id, ())
        return f"it matched {events_text(unkeyed)}, without {' and '.join(self._rule.group_by)}" if unkeyed else ""

    def _around(self, rule_id: str, start_ns: int, end_ns: int) -> list[Candidate]:
        """Return the first matches of a rule in a span of time, and those just before and after it."""
        if rule_id not in self._matches:
            every = (each for group in self._groups.values() for each in group if each.rule_name == rule_id)
            self._matches[rule_id] = sorted(every, key=lambda each: (each.time_ns, each.event_id))
        matches = self._matches[rule_id]
        first = bisect_left(matches, start_ns, key=lambda each: each.time_ns)
        after = bisect_right(matches, end_ns, key=lambda each: each.time_ns)
        inside = matches[first : min(after, first + MAX_AROUND)]
        return [*matches[max(0, first - MAX_AROUND) : first], *inside, *matches[after : after + MAX_AROUND]]


def compared(thresholds: Sequence[Threshold]) -> str:
    """Write a condition on a number: ``at least 5``."""
    return " and ".join(f"{_COMPARED[each.operator]} {each.value:g}" for each in thresholds)


def name_of(meta: RuleMeta) -> str:
    """Return a rule's name, or its title where its only name is a UUID or a hash."""
    return shortened(meta.title) if _UNSPEAKABLE.fullmatch(meta.name) else meta.name


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
