"""Which class evaluates which type of correlation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from detector.candidate import GroupKey
from detector.correlation.absence import AbsenceGroup
from detector.correlation.composing import Composer
from detector.correlation.counting import CountCondition, ValueCondition
from detector.correlation.during import DuringGroup
from detector.correlation.extended import ExpressionCondition, ExtendedGroup
from detector.correlation.first_seen import FirstSeenGroup, Learning
from detector.correlation.group import Group
from detector.correlation.liveness import Watch
from detector.correlation.ordered import OrderedCondition
from detector.correlation.plan import CorrelationSettings, Plan
from detector.correlation.temporal import TemporalCondition
from detector.correlation.travel import TravelGroup
from detector.correlation.windowed import Condition, WindowedGroup, Windowing


def group_maker(composer: Composer, settings: CorrelationSettings, watch: Watch) -> Callable[[GroupKey], Group]:
    """Return what makes the groups of one correlation."""
    rule = composer.plan.rule
    if rule.absence is not None:
        return lambda key: AbsenceGroup(composer, key, settings, watch)
    if rule.during is not None:
        return lambda key: DuringGroup(composer, key, settings, watch)
    if rule.first_seen is not None:
        since_ns = settings.learns_from_ns or partial(watch.since, rule.meta.id)
        learning = Learning(composer, settings, since_ns)
        return lambda key: FirstSeenGroup(learning, key)
    if rule.travel is not None:
        return lambda key: TravelGroup(composer, key, settings)
    if rule.expression is not None and composer.plan.needs_silence:
        return lambda key: ExtendedGroup(composer, key, settings)
    shared = Windowing(composer, _condition(composer.plan), settings.max_candidates)
    return lambda key: WindowedGroup(shared, key)


def _condition(plan: Plan) -> Condition:
    if plan.rule.expression is not None:
        return ExpressionCondition(plan, plan.rule.expression)
    if plan.rule.type == "temporal":
        return TemporalCondition(plan)
    if plan.rule.type == "temporal_ordered":
        return OrderedCondition(plan)
    return CountCondition(plan) if plan.rule.type == "event_count" else ValueCondition(plan)
