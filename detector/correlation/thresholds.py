"""Conditions on a number."""

from __future__ import annotations

import math
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


def holds_for(thresholds: Sequence[Threshold]) -> Callable[[float], bool]:
    """Return a function that tells whether a number passes every threshold."""
    if len(thresholds) != 1:
        return lambda number: all_hold(thresholds, number)
    compare, bound = _OPERATORS[thresholds[0].operator], thresholds[0].value
    return lambda number: compare(number, bound)


def least_that_holds(thresholds: Sequence[Threshold]) -> int | None:
    """Return the least count, at least 1, from which on every threshold holds; None when more can make it false."""
    if not only_grow(thresholds) or not all(math.isfinite(each.value) for each in thresholds):
        return None
    least = [math.ceil(each.value) if each.operator == "gte" else math.floor(each.value) + 1 for each in thresholds]
    return max([1, *least])
