"""`event_count` and the `value_*` types: a number over a sliding window."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from detector.candidate import Candidate, GroupKey
from detector.correlation.hit import MAX_EVIDENCE, Hit
from detector.correlation.plan import Plan
from detector.correlation.thresholds import all_hold, least_that_holds
from detector.explaining.correlations.meaning import Moment, Near, in_order
from detector.explaining.correlations.numbers import Numbers, values_of
from detector.explaining.correlations.words import (
    MAX_LISTED,
    Words,
    compared,
    events_of,
    events_text,
    length,
)
from detector.explaining.wording import shown
from detector.rules.model import CorrelationRule, Threshold


class Counting:
    """Windows that end with each event; an event that matches two rules counts once."""

    def __init__(self, plan: Plan, key: GroupKey, group: Sequence[Candidate], words: Words) -> None:  # noqa: ARG002
        self._plan = plan
        self._rule = plan.rule
        self._words = words
        once = {(each.time_ns, each.event_id): each for each in reversed(in_order(group))}
        self._entries = list(once.values())[::-1]
        self._times = [each.time_ns for each in self._entries]

    def moments(self) -> Iterator[Moment]:
        """Yield the number after each event, and where silence counts after each that leaves."""
        span_ns = self._rule.timespan_ns
        numbers = Numbers(self._rule, self._entries)
        found = list[Moment]()
        for end, time_ns in enumerate(self._times, start=1):
            first = bisect_left(self._times, time_ns - span_ns)
            found.append(Moment(time_ns, self._hits(first, end, numbers.between(first, end), time_ns)))
        if self._plan.needs_silence:
            found += self._expiries()
        yield from sorted(found, key=lambda moment: (moment.at_ns, moment.is_expiry))

    def nearest(self, limit: int) -> tuple[list[Near], int]:  # noqa: ARG002  there is one nearest number
        """Return the window whose number is nearest to what is wanted."""
        span_ns = self._rule.timespan_ns
        numbers = Numbers(self._rule, self._entries)
        best: tuple[float, int, int, float | None] | None = None
        for end, time_ns in enumerate(self._times, start=1):
            first = bisect_left(self._times, time_ns - span_ns)
            number = numbers.between(first, end)
            score = nearness(self._rule.condition, number)
            if best is None or score > best[0]:
                best = score, first, end, number
        return ([], 0) if best is None else ([self._near(*best)], 1)

    def _near(self, score: float, first: int, end: int, number: float | None) -> Near:
        window, end_ns = self._entries[first:end], self._times[end - 1]
        return Near(
            score=score,
            start_ns=end_ns - self._rule.timespan_ns,
            end_ns=end_ns,
            candidates=tuple(window),
            found=self._found(number),
            missing=tuple(self._missing(window, number)),
        )

    def _expiries(self) -> Iterator[Moment]:
        """Yield what is left of a window whenever the events of one instant have left it."""
        numbers = Numbers(self._rule, self._entries)
        for left_ns in dict.fromkeys(self._times):
            end_ns = left_ns + self._rule.timespan_ns
            first, end = bisect_right(self._times, left_ns), bisect_right(self._times, end_ns)
            hits = self._hits(first, end, numbers.between(first, end), end_ns, self._entries[first - 1])
            yield Moment(end_ns, hits, is_expiry=True)

    def _hits(
        self, first: int, end: int, number: float | None, time_ns: int, leaving: Candidate | None = None
    ) -> tuple[Hit, ...]:
        if number is None or not all_hold(self._rule.condition, number):
            return ()
        half, window = MAX_EVIDENCE // 2, self._entries[first:end]
        evidence = window if len(window) <= MAX_EVIDENCE else window[:half] + window[-half:]
        return (
            Hit(
                anchor=window[-1],
                evidence=tuple(evidence),
                decided_by=(leaving or window[-1]).event_id,
                time_ns=time_ns,
                reason=self._found(number),
            ),
        )

    def _found(self, number: float | None) -> str:
        if self._rule.type in {"event_count", "value_count"}:
            return f"{number or 0:g} {unit_of(self._rule, is_one=number == 1)}"
        return f"{unit_of(self._rule)} {'of no number' if number is None else f'{number:.6g}'}"

    def _missing(self, window: Sequence[Candidate], number: float | None) -> Iterator[str]:
        rule = self._rule
        yield f"{self._found(number)} within {length(rule.timespan_ns)}, not {compared(rule.condition)}"
        yield from self._apart()
        silent = [index for each in window if rule.field and not values_of(rule, each) for index in events_of(each)]
        if silent:
            yield f"{events_text(silent)}: no value of {' and '.join(rule.field)} that counts"
        if rule.type == "value_count" and number is not None:
            values = list(dict.fromkeys(value for each in window for value in values_of(rule, each)))
            listed = ", ".join(shown(" ".join(map(str, _parts(value)))) for value in values[:MAX_LISTED])
            yield f"the values are {listed}{', …' if len(values) > MAX_LISTED else ''}"

    def _apart(self) -> Iterator[str]:
        """Say by how much enough events are too far apart."""
        wanted = least_that_holds(self._rule.condition) if self._rule.type == "event_count" else None
        if wanted is None:
            return
        if len(self._entries) < wanted:
            yield f"this group has {len(self._entries)} in all"
            return
        spans = ((self._times[at + wanted - 1] - self._times[at], at) for at in range(len(self._times) - wanted + 1))
        span_ns, at = min(spans)
        first, last = self._entries[at], self._entries[at + wanted - 1]
        beyond = length(span_ns - self._rule.timespan_ns)
        events = f"{self._words.event(first)} to {self._words.event(last)}"
        yield f"the nearest {wanted} ({events}) lie {length(span_ns)} apart, {beyond} too far"


def nearness(thresholds: Sequence[Threshold], number: float | None) -> float:
    """Return how near a number is to passing, below 1."""
    if number is None or not math.isfinite(number):
        return 0.0
    return 0.99 / (1 + sum(_gap(each, number) for each in thresholds))


def unit_of(rule: CorrelationRule, *, is_one: bool = False) -> str:
    """Return what a type counts or makes of its field."""
    ending = "" if is_one else "s"
    if rule.type == "event_count":
        return f"event{ending}"
    share = f"{rule.percentile:g}th percentile" if rule.percentile is not None else "median"
    names = {"value_count": f"distinct value{ending}", "value_sum": "sum", "value_avg": "mean"}
    return f"{names.get(rule.type, share)} of {' with '.join(rule.field)}"


def _gap(threshold: Threshold, number: float) -> float:
    if all_hold([threshold], number):
        return 0.0
    return (abs(threshold.value - number) or 0.5) / max(1.0, abs(threshold.value))


def _parts(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)
