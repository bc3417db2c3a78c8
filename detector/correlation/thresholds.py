"""Conditions on a number."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from detector.rules.condition import Operator
from detector.rules.model import Threshold

_OPERATORS: dict[Operator, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}


def all_hold(thresholds: Sequence[Threshold], number: float) -> bool:
    """Return whether a number passes every threshold."""
    return all(_OPERATORS[each.operator](number, each.value) for each in thresholds)


def only_grow(thresholds: Sequence[Threshold]) -> bool:
    """Return whether more can never make the condition false: only `gt` and `gte`."""
    return all(each.operator in {"gt", "gte"} for each in thresholds)
