"""Conditions on a number of events or values: `event_count` and the `value_*` types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.candidate import Candidate
from detector.correlation.hit import MAX_EVIDENCE, Hit
from detector.correlation.plan import Plan
from detector.correlation.tally import DistinctTally, QuantileTally, SumTally, Tally
from detector.correlation.thresholds import all_hold
from detector.correlation.window import Entry, Window
from detector.rules.model import CorrelationRule


class CountCondition:
    """`event_count`: how many events the window holds. Uncertainty never counts."""

    counts_rules = False

    def __init__(self, plan: Plan) -> None:
        self._thresholds = plan.rule.condition
        self._span_ns = plan.rule.timespan_ns

    def inserted(self, candidate: Candidate) -> None:
        """A count is read off the window."""

    def evicted(self, candidate: Candidate) -> None:
        """A count is read off the window."""

    def hits(self, window: Window, candidate: Candidate) -> Iterator[Hit]:
        """Yield a hit for the candidate, and for each retained one after it whose window it has joined late."""
        after = window.between(candidate.time_ns + 1, candidate.time_ns + self._span_ns)
        for anchor in (candidate, *(entry[3] for entry in after)):
            hit = self._at(window, anchor, candidate.event_id)
            if hit is not None:
                yield hit

    def between(self, window: Window, start_ns: int, end_ns: int, expired: Candidate) -> Hit | None:
        """Return whether the condition holds for a range of time, after a candidate has left it."""
        number = self._number(window, start_ns, end_ns)
        if number is None or not all_hold(self._thresholds, number):
            return None
        entries = window.between(start_ns, end_ns)
        return self._hit(entries, entries[-1][3], expired.event_id, end_ns, number)

    def _at(self, window: Window, anchor: Candidate, decided_by: str) -> Hit | None:
        start_ns = anchor.time_ns - self._span_ns
        number = self._number(window, start_ns, anchor.time_ns)
        if number is None or not all_hold(self._thresholds, number):
            return None
        return self._hit(window.between(start_ns, anchor.time_ns), anchor, decided_by, anchor.time_ns, number)

    def _hit(self, entries: Sequence[Entry], anchor: Candidate, decided_by: str, time_ns: int, number: float) -> Hit:
        if len(entries) > MAX_EVIDENCE:
            entries = [*entries[: MAX_EVIDENCE // 2], *entries[-(MAX_EVIDENCE // 2) :]]
        evidence = tuple(entry[3] for entry in entries)
        return Hit(
            anchor=anchor, evidence=evidence, decided_by=decided_by, time_ns=time_ns, reason=f"{number:g} in the window"
        )

    def _number(self, window: Window, start_ns: int, end_ns: int) -> float | None:
        return window.count_between(start_ns, end_ns) or None


class ValueCondition(CountCondition):
    """`value_count`, `value_sum`, `value_avg`, `value_median` and `value_percentile`.

    The tally follows the newest window: what comes in is added and what leaves is taken away. Windows that lie
    further back, which only late candidates ask for, are counted afresh.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._rule = plan.rule
        self._tally = _tally(plan.rule)
        self._range: tuple[int, int] | None = None

    def inserted(self, candidate: Candidate) -> None:
        """Count a late candidate that falls into the range of the tally."""
        if self._range is not None and self._range[0] <= candidate.time_ns <= self._range[1]:
            self._tally.add(candidate)

    def evicted(self, candidate: Candidate) -> None:
        """Take away what left before its time because the group was full."""
        if self._range is not None and self._range[0] <= candidate.time_ns <= self._range[1]:
            self._tally.remove(candidate)

    def _number(self, window: Window, start_ns: int, end_ns: int) -> float | None:
        if self._range is None or start_ns < self._range[0] or end_ns < self._range[1]:
            fresh = _tally(self._rule)
            for entry in window.between(start_ns, end_ns):
                fresh.add(entry[3])
            if self._range is None:
                self._tally, self._range = fresh, (start_ns, end_ns)
            return fresh.number()
        for entry in window.between(self._range[1] + 1, end_ns):
            if entry[0] >= start_ns:
                self._tally.add(entry[3])
        for entry in window.between(self._range[0], min(start_ns - 1, self._range[1])):
            self._tally.remove(entry[3])
        self._range = (start_ns, end_ns)
        return self._tally.number()


def _tally(rule: CorrelationRule) -> Tally:
    if rule.type == "value_count":
        return DistinctTally(rule)
    if rule.type in {"value_sum", "value_avg"}:
        return SumTally(rule)
    return QuantileTally(rule)
