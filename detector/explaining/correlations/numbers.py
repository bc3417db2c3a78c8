"""The number that a counting correlation has for a window, by its definition."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from detector.candidate import Candidate
from detector.correlation.tally import distinct_values, numeric_value
from detector.rules.model import CorrelationRule


class Numbers:
    """Numbers of windows over one sequence of candidates, which only move forwards.

    Args:
        rule: A counting correlation.
        entries: Candidates in order of time.
    """

    def __init__(self, rule: CorrelationRule, entries: Sequence[Candidate]) -> None:
        self._rule = rule
        self._first = self._end = 0
        self._values = [values_of(rule, each) for each in entries]
        self._counts = Counter[object]()
        self._sum = Fraction(0)
        self._sorted = list[float]()

    def between(self, first: int, end: int) -> float | None:
        """Return the number of the candidates from one position to before another; None: nothing to evaluate."""
        for values in self._values[self._end : end]:
            self._add(values)
        for values in self._values[self._first : first]:
            self._remove(values)
        self._first, self._end = first, max(end, self._end)
        return self._number(end - first)

    def _add(self, values: Sequence[object]) -> None:
        self._counts.update(values)
        if self._rule.type != "value_count":
            for value in map(_number, values):
                self._sum += Fraction(value)
                insort(self._sorted, value)

    def _remove(self, values: Sequence[object]) -> None:
        for value in values:
            self._counts[value] -= 1
            if not self._counts[value]:
                del self._counts[value]
            if self._rule.type != "value_count":
                self._sum -= Fraction(_number(value))
                del self._sorted[bisect_left(self._sorted, _number(value))]

    def _number(self, events: int) -> float | None:
        kind = self._rule.type
        if kind == "event_count":
            return events or None
        if kind == "value_count":
            return len(self._counts) or None
        if not self._sorted:
            return None
        if kind in {"value_sum", "value_avg"}:
            return _as_float(self._sum / (1 if kind == "value_sum" else len(self._sorted)))
        return _percentile(self._sorted, 50.0 if self._rule.percentile is None else self._rule.percentile)


def values_of(rule: CorrelationRule, candidate: Candidate) -> list[object]:
    """Return what a candidate brings to the number: its distinct values, or the one that is a number."""
    if rule.type == "event_count":
        return []
    if rule.type == "value_count":
        return list(distinct_values(rule.field, candidate.fields))
    number = numeric_value(candidate.fields.get(rule.field[0]))
    return [] if number is None else [number]


def _number(value: object) -> float:
    assert isinstance(value, float | int)  # noqa: S101  types that count no values read numbers only
    return float(value)


def _as_float(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.copysign(math.inf, exact)


def _percentile(values: Sequence[float], percentile: float) -> float:
    """Interpolate between the closest ranks."""
    rank = percentile / 100 * (len(values) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(values) - 1)
    if values[low] == values[high]:
        return values[low]
    return values[low] * (1 - (rank - low)) + values[high] * (rank - low)
