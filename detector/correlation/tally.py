"""Running numbers over a window: what comes in is added, what leaves is taken away."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter
from fractions import Fraction
from typing import Protocol

from detector.candidate import Candidate
from detector.correlation.keys import MAX_LIST, canonical_text, is_folded
from detector.rules.model import CorrelationRule
from normalizers.event import Value

MAX_DIGITS = 400
"""A number written longer than any double is not a measurement."""


class Tally(Protocol):
    """One number about the candidates inside a window."""

    def add(self, candidate: Candidate) -> None:
        """Count a candidate in."""
        ...

    def remove(self, candidate: Candidate) -> None:
        """Count a candidate out that was counted in before."""
        ...

    def number(self) -> float | None:
        """Return the number, None for an empty window: nothing to evaluate."""
        ...


class EventTally:
    """How many events."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, candidate: Candidate) -> None:  # noqa: ARG002  every candidate counts alike
        """Count one more."""
        self._count += 1

    def remove(self, candidate: Candidate) -> None:  # noqa: ARG002  every candidate counts alike
        """Count one less."""
        self._count -= 1

    def number(self) -> float | None:
        """Return the count."""
        return self._count or None


class DistinctTally:
    """How many different values; several fields are one composite value, members of a list are values each."""

    def __init__(self, rule: CorrelationRule) -> None:
        self._paths = rule.field
        self._counts = Counter[tuple[str, ...]]()

    def add(self, candidate: Candidate) -> None:
        """Count its values in."""
        for value in distinct_values(self._paths, candidate.fields):
            self._counts[value] += 1

    def remove(self, candidate: Candidate) -> None:
        """Count its values out."""
        for value in distinct_values(self._paths, candidate.fields):
            self._counts[value] -= 1
            if not self._counts[value]:
                del self._counts[value]

    def number(self) -> float | None:
        """Return how many values there are."""
        return len(self._counts) or None


class SumTally:
    """The exact sum, or mean, of a numeric field: fractions, as added and removed floats would drift."""

    def __init__(self, rule: CorrelationRule) -> None:
        self._path = rule.field[0]
        self._mean = rule.type == "value_avg"
        self._sum = Fraction(0)
        self._count = 0

    def add(self, candidate: Candidate) -> None:
        """Add its value."""
        number = numeric_value(candidate.fields.get(self._path))
        if number is not None:
            self._sum += Fraction(number)
            self._count += 1

    def remove(self, candidate: Candidate) -> None:
        """Take its value away."""
        number = numeric_value(candidate.fields.get(self._path))
        if number is not None:
            self._sum -= Fraction(number)
            self._count -= 1

    def number(self) -> float | None:
        """Return the sum or the mean."""
        if not self._count:
            return None
        exact = self._sum / self._count if self._mean else self._sum
        try:
            return float(exact)
        except OverflowError:
            return math.copysign(math.inf, exact)


class QuantileTally:
    """A percentile by linear interpolation between the closest ranks; the median is the 50th."""

    def __init__(self, rule: CorrelationRule) -> None:
        self._path = rule.field[0]
        self._share = 0.5 if rule.percentile is None else rule.percentile / 100
        self._sorted = list[float]()

    def add(self, candidate: Candidate) -> None:
        """Put its value in its place."""
        number = numeric_value(candidate.fields.get(self._path))
        if number is not None:
            insort(self._sorted, number)

    def remove(self, candidate: Candidate) -> None:
        """Take its value out."""
        number = numeric_value(candidate.fields.get(self._path))
        if number is not None:
            del self._sorted[bisect_left(self._sorted, number)]

    def number(self) -> float | None:
        """Return the percentile."""
        if not self._sorted:
            return None
        rank = self._share * (len(self._sorted) - 1)
        low = math.floor(rank)
        high = min(low + 1, len(self._sorted) - 1)
        if self._sorted[low] == self._sorted[high]:
            return self._sorted[low]
        return self._sorted[low] * (1 - (rank - low)) + self._sorted[high] * (rank - low)


def distinct_values(paths: tuple[str, ...], fields: dict[str, Value]) -> set[tuple[str, ...]]:
    """Return the values that an event brings to a `value_count`; none when a field is missing."""
    if len(paths) == 1:
        value = fields.get(paths[0])
        members = value[:MAX_LIST] if isinstance(value, list) else [value]
        return {(_text(paths[0], each),) for each in members if each is not None}
    parts = list[str]()
    for path in paths:
        value = fields.get(path)
        if value is None:
            return set()
        members = value[:MAX_LIST] if isinstance(value, list) else [value]
        parts.append("\x1f".join(sorted(_text(path, each) for each in members if each is not None)))
    return {tuple(parts)}


def numeric_value(value: Value) -> float | None:
    """Read a finite number, also from text; booleans, lists and words are none."""
    if isinstance(value, bool | list) or value is None:
        return None
    if isinstance(value, str) and (len(value) > MAX_DIGITS or "_" in value or not value.isascii()):
        return None  # Python would read 1_000, and digits of any script
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(path: str, value: Value) -> str:
    if isinstance(value, list):
        return ""
    return canonical_text(value, folded=is_folded(path))
