"""Conditions of words over rules, such as ``a and (b or c) and not d``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.effects import Effects
from detector.correlation.group import Changes
from detector.correlation.hit import Hit
from detector.correlation.ordered import OrderedCondition
from detector.correlation.plan import CorrelationSettings, Plan
from detector.correlation.temporal import TemporalCondition
from detector.correlation.triggered import TriggeredGroup
from detector.rules.expression import RuleExpression


class ExpressionCondition(TemporalCondition):
    """A condition without `not`: more can only make it true, so it fires at once, as `temporal` does."""

    def __init__(self, plan: Plan, expression: RuleExpression) -> None:
        super().__init__(plan)
        self._least = 1
        self._expression = expression

    def _holds(self, found: Sequence[Candidate]) -> bool:
        return self._expression.holds({each.rule_name for each in found})


class ExtendedGroup(TriggeredGroup):
    """A condition with `not`, asked of the window that begins with each match of a rule that may make it true.

    The window is decided when nothing can enter it in time any more. What enters a decided window after all is
    looked at again: it withdraws an alert or, when it completes what was incomplete, raises one.
    """

    def __init__(self, composer: Composer, key: GroupKey, settings: CorrelationSettings) -> None:
        rule = composer.plan.rule
        assert rule.expression is not None  # noqa: S101  the level picks the class by this
        self._expression = rule.expression
        wanted = set(rule.expression.wanted())
        steps = tuple(each for each in rule.rules if each in wanted)
        self._ordered: OrderedCondition | None = None
        if rule.type == "temporal_ordered":
            positive = msgspec.structs.replace(rule, rules=steps, expression=None)
            self._ordered = OrderedCondition(msgspec.structs.replace(composer.plan, rule=positive))
        super().__init__(composer, key, steps[:1] if self._ordered else steps, settings.max_candidates)
        self._partner_uncertainty_ns = settings.partner_uncertainty_ns

    def _decided_at(self, trigger: Candidate) -> int:
        wait_ns = min(self._plan.cap_ns, trigger.uncertainty_ns + self._partner_uncertainty_ns)
        return trigger.time_ns + self._plan.span_ns + wait_ns

    def _joined(self, candidate: Candidate, order_ns: int, effects: Effects, changes: Changes) -> None:
        """Look again at the decided windows that hold a candidate."""
        span_ns = self._plan.span_ns
        slack_ns = min(candidate.uncertainty_ns + self.window.max_uncertainty_ns, self._plan.cap_ns)
        # A window that ends later than this has not been decided.
        last_ns = min(candidate.time_ns + slack_ns, order_ns - span_ns)
        for trigger in self._decided_between(candidate.time_ns - span_ns - slack_ns, last_ns):
            if self._holds_it(trigger, candidate):
                reason = f"what must not happen happened after all: {self._composer.summary_of(candidate)}"
                self._decide_again(trigger, order_ns, reason, effects, changes)

    def _is_told(self, trigger: Candidate) -> bool:
        """Return whether a window that begins at the same instant has been reported: it is the same one."""
        same = self._decided_between(trigger.time_ns, trigger.time_ns)
        return any(self.decisions[each.event_id].held for each in same if each.event_id != trigger.event_id)

    def _hit(self, trigger: Candidate) -> Hit | None:
        if self._is_told(trigger):
            return None
        found = {rule: each for rule in self._expression.rules() if (each := self._first(rule, trigger)) is not None}
        if not self._expression.holds(found):
            return None
        evidence = [found[rule] for rule in self._expression.wanted() if rule in found]
        order = None
        if self._ordered is not None:
            chain = self._chain(self._ordered, trigger)
            if chain is None:
                return None
            evidence, order = list(chain.evidence), chain.order
        evidence.sort(key=lambda each: (each.time_ns, each.event_id))
        return Hit(
            anchor=evidence[-1],
            evidence=tuple(evidence),
            decided_by=trigger.event_id,
            time_ns=trigger.time_ns + self._plan.span_ns,
            order=order,
            late=any(each.ready_ns - each.time_ns > self._plan.lateness_ns for each in evidence),
            widened_ns=max(
                evidence[-1].time_ns - trigger.time_ns - self._plan.span_ns, trigger.time_ns - evidence[0].time_ns, 0
            ),
            reason=self._reason(found),
        )

    def _chain(self, ordered: OrderedCondition, trigger: Candidate) -> Hit | None:
        """Return a sequence that begins with the trigger, one of certain order when there is one."""
        first: Hit | None = None
        for chain in ordered.hits(self.window, trigger, is_newest=False, is_open=False):
            if chain.order == "certain":
                return chain
            first = first or chain
        return first

    def _first(self, rule: str, trigger: Candidate) -> Candidate | None:
        """Return the first match of a rule in a trigger's window, the trigger itself for its own rule."""
        if rule == trigger.rule_name:
            return trigger
        end_ns = trigger.time_ns + self._plan.span_ns
        return next(self._inside(rule, trigger, trigger.time_ns, end_ns), None)

    def _holds_it(self, trigger: Candidate, candidate: Candidate) -> bool:
        """Return whether a candidate may have happened inside a trigger's window."""
        widened_ns = min(trigger.uncertainty_ns + candidate.uncertainty_ns, self._plan.cap_ns)
        end_ns = trigger.time_ns + self._plan.span_ns
        return trigger.time_ns - widened_ns <= candidate.time_ns <= end_ns + widened_ns

    def _reason(self, found: dict[str, Candidate]) -> str:
        missing = [self._composer.name_of(rule) for rule in self._expression.unwanted() if rule not in found]
        seconds = self._plan.span_ns / 1e9
        return f"no {' and no '.join(missing)} within {seconds:g} s" if missing else f"decided after {seconds:g} s"
