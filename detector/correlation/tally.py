"""Running numbers over a window: what comes in is added, what leaves is taken away."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Protocol

from detector.candidate import Candidate
from detector.correlation.keys import MAX_KEY_CHARS, MAX_LIST, canonical_text, is_folded
from detector.correlation.window import Window
from detector.rules.model import CorrelationRule
from normalizers.event import Value

Distinct = str | tuple[str, ...]
"""A value as it is counted: its canonical text, or those of several fields."""

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

    __slots__ = ("_count",)

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

    __slots__ = ("_counts", "_read")

    def __init__(self, read: Callable[[dict[str, Value]], Iterable[Distinct]]) -> None:
        self._read = read
        self._counts = dict[Distinct, int]()

    def add(self, candidate: Candidate) -> None:
        """Count its values in."""
        counts = self._counts
        for value in self._read(candidate.fields):
            counts[value] = counts.get(value, 0) + 1

    def remove(self, candidate: Candidate) -> None:
        """Count its values out."""
        counts = self._counts
        for value in self._read(candidate.fields):
            counts[value] -= 1
            if not counts[value]:
                del counts[value]

    def number(self) -> float | None:
        """Return how many values there are."""
        return len(self._counts) or None


class SumTally:
    """The exact sum, or mean, of a numeric field: fractions, as added and removed floats would drift."""

    __slots__ = ("_count", "_mean", "_path", "_sum")

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

    __slots__ = ("_path", "_share", "_sorted")

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


class RunningTally:
    """A tally that follows the end of a window: it holds everything from a start that only rises.

    Args:
        tally: Empty.
        start_ns: Its first start.
    """

    __slots__ = ("_oldest_ns", "_start_ns", "_tally")

    def __init__(self, tally: Tally, start_ns: int) -> None:
        self._tally = tally
        self._start_ns = start_ns
        self._oldest_ns = _NEVER

    def enter(self, candidate: Candidate) -> None:
        """Count a candidate in, unless it lies before the start."""
        if candidate.time_ns >= self._start_ns:
            self._tally.add(candidate)
            self._oldest_ns = min(self._oldest_ns, candidate.time_ns)

    def leave(self, candidates: Sequence[Candidate]) -> None:
        """Count out what the window keeps no longer."""
        for candidate in candidates:
            if candidate.time_ns >= self._start_ns:
                self._tally.remove(candidate)

    def advance(self, window: Window, start_ns: int) -> bool:
        """Let the start rise, and count out what lies before it; False when it would fall: count afresh then."""
        if start_ns < self._start_ns:
            return False
        if start_ns > self._oldest_ns:
            for entry in window.between(self._start_ns, start_ns - 1):
                self._tally.remove(entry[3])
            oldest = window.first_after(start_ns - 1)
            self._oldest_ns = _NEVER if oldest is None else oldest[0]
        self._start_ns = start_ns
        return True

    def number(self) -> float | None:
        """Return the number, None when there is nothing."""
        return self._tally.number()


_NEVER = 2**63


def tally_factory(rule: CorrelationRule) -> Callable[[], Tally]:
    """Return what makes an empty tally of a `value_*` correlation."""
    if rule.type == "value_count":
        read = distinct_reader(rule.field)
        return lambda: DistinctTally(read)
    if rule.type in {"value_sum", "value_avg"}:
        return lambda: SumTally(rule)
    return lambda: QuantileTally(rule)


def distinct_reader(paths: tuple[str, ...]) -> Callable[[dict[str, Value]], Iterable[Distinct]]:
    """Return what reads the distinct values of an event; the usual case, one text in one field, costs little."""
    if len(paths) != 1:
        return lambda fields: distinct_values(paths, fields)
    path = paths[0]
    folded = is_folded(path)

    def read(fields: dict[str, Value]) -> Iterable[Distinct]:
        value = fields.get(path)
        if value.__class__ is str and not folded and len(value) <= MAX_KEY_CHARS:
            return (value,)
        return [each for (each,) in distinct_values(paths, fields)]

    return read


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
