"""Conditions of words with a `not`: the window that begins with each match of a rule that may make it true."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from detector.candidate import Candidate, GroupKey
from detector.correlation.hit import Hit
from detector.correlation.ordering import END_OF_INPUT
from detector.correlation.plan import Plan
from detector.explaining.correlations.meaning import Moment, Near, Timeline, in_order
from detector.explaining.correlations.ordered import Ordered
from detector.explaining.correlations.whereabouts import Whereabouts
from detector.explaining.correlations.words import Words, length


class Extended:
    """The window of each trigger, decided at its end."""

    def __init__(self, plan: Plan, key: GroupKey, group: Sequence[Candidate], words: Words) -> None:
        rule = plan.rule
        assert rule.expression is not None  # noqa: S101  the plan says so
        self._plan = plan
        self._span_ns = rule.timespan_ns
        self._expression = rule.expression
        wanted = set(rule.expression.wanted())
        self._steps = tuple(each for each in rule.rules if each in wanted)
        self._key = key
        self._timeline = Timeline(group)
        self._words = words
        self._chains = self._ordered(self._timeline.entries)
        self._where = Whereabouts(words, key, self._timeline)

    def moments(self) -> Iterator[Moment]:
        """Yield the end of each trigger's window; of windows that begin at one instant, the first that holds."""
        told = set[int]()
        for trigger in self._triggers():
            hit = None if trigger.time_ns in told else self._hit(trigger)
            if hit is not None:
                told.add(trigger.time_ns)
            yield Moment(trigger.time_ns + self._span_ns, () if hit is None else (hit,))

    def nearest(self, limit: int) -> tuple[list[Near], int]:
        """Return the windows with the fewest obstacles."""
        triggers = sorted(self._triggers(), key=lambda trigger: self._obstacles(self._inside(trigger)))
        return [self._near(trigger) for trigger in triggers[:limit]], len(triggers)

    def _triggers(self) -> list[Candidate]:
        """Return what begins a window; an event that matches two such rules begins one."""
        rules = self._steps[:1] if self._plan.rule.type == "temporal_ordered" else self._steps
        triggers = dict[str, Candidate]()
        for each in in_order(each for rule in rules for each in self._timeline.all_of(rule)):
            triggers.setdefault(each.event_id, each)
        return list(triggers.values())

    def _inside(self, trigger: Candidate) -> dict[str, Candidate]:
        """Return the first match of each rule in a window, the trigger itself for its own rule."""
        start_ns, end_ns = trigger.time_ns, trigger.time_ns + self._span_ns
        found = {rule: self._timeline.of(rule, start_ns, end_ns) for rule in self._expression.rules()}
        return {rule: matches[0] for rule, matches in found.items() if matches} | {trigger.rule_name: trigger}

    def _obstacles(self, inside: Collection[str]) -> int:
        unwanted = [rule for rule in self._expression.unwanted() if rule in inside]
        return len(unwanted) + sum(rule not in inside for rule in self._expression.wanted())

    def _hit(self, trigger: Candidate) -> Hit | None:
        inside = self._inside(trigger)
        if not self._expression.holds(inside):
            return None
        evidence = in_order([inside[rule] for rule in self._expression.wanted() if rule in inside])
        order = None
        if self._plan.rule.type == "temporal_ordered":
            chain = self._chain(trigger)
            if chain is None:
                return None
            evidence, order = list(chain.evidence), chain.order
        return Hit(
            anchor=evidence[-1],
            evidence=tuple(evidence),
            decided_by=trigger.event_id,
            time_ns=trigger.time_ns + self._span_ns,
            order=order,
            reason=f"decided {length(self._span_ns)} after {self._words.event(trigger)}",
        )

    def _chain(self, trigger: Candidate) -> Hit | None:
        """Return a chain of the wanted rules that begins with a trigger, of certain order when there is one."""
        found = list(self._chains.hits(trigger))
        return next((hit for hit in found if hit.order == "certain"), found[0] if found else None)

    def _ordered(self, group: Sequence[Candidate]) -> Ordered:
        rule = msgspec.structs.replace(self._plan.rule, rules=self._steps, expression=None)
        return Ordered(msgspec.structs.replace(self._plan, rule=rule), self._key, group, self._words)

    def _near(self, trigger: Candidate) -> Near:
        inside, end_ns = self._inside(trigger), trigger.time_ns + self._span_ns
        return Near(
            score=0.9 / (1 + self._obstacles(inside)),
            start_ns=trigger.time_ns,
            end_ns=end_ns,
            candidates=tuple(in_order(inside.values())),
            found=f"{len(inside)} of {len(self._expression.rules())} rules",
            missing=tuple(self._missing(trigger, inside)),
        )

    def _missing(self, trigger: Candidate, inside: dict[str, Candidate]) -> Iterator[str]:
        words, end_ns = self._words, trigger.time_ns + self._span_ns
        for rule in self._expression.unwanted():
            if rule in inside:
                each = inside[rule]
                after = length(each.time_ns - trigger.time_ns)
                when = f"{words.event(each)}, {after} after {words.event(trigger)}"
                yield f"{words.rule(rule)} came ({when}), and must not"
        for rule in self._expression.wanted():
            if rule not in inside:
                yield self._where.of(rule, trigger.time_ns, end_ns)
        if self._expression.holds(inside) and self._plan.rule.type == "temporal_ordered":
            later = self._timeline.between(trigger.time_ns, END_OF_INPUT)
            for near in self._ordered(later).nearest(1)[0]:
                yield from near.missing
