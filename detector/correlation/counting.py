"""Conditions on a number of events or values: `event_count` and the `value_*` types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.candidate import Candidate
from detector.correlation.hit import MAX_EVIDENCE, MAX_NEW_STEPS, Hit
from detector.correlation.plan import Plan
from detector.correlation.tally import EventTally, RunningTally, Tally, tally_factory
from detector.correlation.thresholds import holds_for, least_that_holds
from detector.correlation.window import Window

_FEW = 8
"""Entries up to which a number is counted afresh each time: that costs less, and keeps less, than following it."""


class _NumberCondition:
    """Holds while a number of the window that ends with an event passes the thresholds. Uncertainty never counts."""

    counts_rules = False
    tallies = False

    def __init__(self, plan: Plan) -> None:
        self._holds = holds_for(plan.rule.condition)
        self._span_ns = plan.rule.timespan_ns

    def entered(self, window: Window, candidate: Candidate) -> None:
        """Count a candidate in, where a number is followed."""
        if window.tally is not None:
            window.tally.enter(candidate)

    def left(self, window: Window, candidates: Sequence[Candidate]) -> None:
        """Count candidates out that are not kept any longer."""
        if window.tally is not None:
            window.tally.leave(candidates)
            if not window.size:
                window.tally = None

    def hits(self, window: Window, candidate: Candidate, *, is_newest: bool, is_open: bool) -> Sequence[Hit]:
        """Return a hit for the candidate, and for each retained one after it whose window it has joined late."""
        if not is_newest:
            return list(self._late(window, candidate, is_open=is_open))
        start_ns = candidate.time_ns - self._span_ns
        number = self._newest(window, start_ns, candidate.time_ns)
        if number is None or not self._holds(number):
            return ()
        evidence = _evidence(window, start_ns, candidate.time_ns, is_open=is_open)
        return (self._hit(evidence, candidate, candidate.event_id, candidate.time_ns, number),)

    def holds_between(self, window: Window, start_ns: int, end_ns: int) -> bool:
        """Return whether the condition holds for a range of time up to the end of the window."""
        number = self._newest(window, start_ns, end_ns)
        return number is not None and self._holds(number)

    def between(self, window: Window, start_ns: int, end_ns: int, expired: Candidate) -> Hit | None:
        """Return whether the condition holds for a range of time, after a candidate has left it."""
        number = self._newest(window, start_ns, end_ns)
        if number is None or not self._holds(number):
            return None
        evidence = _evidence(window, start_ns, end_ns, is_open=False)
        return self._hit(evidence, evidence[-1], expired.event_id, end_ns, number)

    def next_change_ns(self, window: Window, expired_ns: int) -> int | None:
        """Return when the next candidate leaves."""
        following = window.first_after(expired_ns)
        return None if following is None else following[0] + self._span_ns

    def _newest(self, window: Window, start_ns: int, end_ns: int) -> float | None:
        """Return the number of the newest window."""
        raise NotImplementedError

    def _tally(self) -> Tally:
        raise NotImplementedError

    def _late(self, window: Window, candidate: Candidate, *, is_open: bool) -> Iterator[Hit]:
        """Slide over the windows that a candidate has joined late, once, however many there are."""
        running = RunningTally(self._tally(), candidate.time_ns - self._span_ns)
        for entry in window.between(candidate.time_ns - self._span_ns, candidate.time_ns):
            running.enter(entry[3])
        after = window.between(candidate.time_ns + 1, candidate.time_ns + self._span_ns)
        entered = 0
        for anchor in (candidate, *(entry[3] for entry in after)):
            while entered < len(after) and after[entered][0] <= anchor.time_ns:
                running.enter(after[entered][3])
                entered += 1
            start_ns = anchor.time_ns - self._span_ns
            running.advance(window, start_ns)
            number = running.number()
            if number is not None and self._holds(number):
                evidence = _evidence(window, start_ns, anchor.time_ns, is_open=is_open)
                yield self._hit(evidence, anchor, candidate.event_id, anchor.time_ns, number)

    def _hit(
        self, evidence: tuple[Candidate, ...], anchor: Candidate, decided_by: str, time_ns: int, number: float
    ) -> Hit:
        return Hit(
            anchor=anchor, evidence=evidence, decided_by=decided_by, time_ns=time_ns, reason=f"{number:g} in the window"
        )


class CountCondition(_NumberCondition):
    """`event_count`: how many events the window holds."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._least = least_that_holds(plan.rule.condition)

    def hits(self, window: Window, candidate: Candidate, *, is_newest: bool, is_open: bool) -> Sequence[Hit]:
        """Return hits as any number gives them; that there are too few is seen at once."""
        least = self._least
        if (
            least is not None
            and is_newest
            and (window.size < least or window.from_newest(least)[0] < candidate.time_ns - self._span_ns)
        ):
            return ()
        return super().hits(window, candidate, is_newest=is_newest, is_open=is_open)

    def next_change_ns(self, window: Window, expired_ns: int) -> int | None:
        """Return when too few are left, as far as can be told now; None once they are too few."""
        if self._least is None or window.size < self._least:
            return super().next_change_ns(window, expired_ns)
        time_ns = window.from_newest(self._least)[0]
        return time_ns + self._span_ns if time_ns > expired_ns else None

    def _newest(self, window: Window, start_ns: int, end_ns: int) -> float | None:
        return window.count_between(start_ns, end_ns) or None

    def _tally(self) -> Tally:
        return EventTally()


class ValueCondition(_NumberCondition):
    """`value_count`, `value_sum`, `value_avg`, `value_median` and `value_percentile`.

    A tally follows the newest window of a group with more than a few entries: what comes in is added and what leaves
    is taken away.
    """

    tallies = True

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._make = tally_factory(plan.rule)

    def _tally(self) -> Tally:
        return self._make()

    def _newest(self, window: Window, start_ns: int, end_ns: int) -> float | None:
        running = window.tally
        if running is None:
            if window.size <= _FEW:
                return self._afresh(window, start_ns, end_ns)
            running = window.tally = RunningTally(self._tally(), start_ns)
            for entry in window.forwards(start_ns):
                running.enter(entry[3])
        if running.advance(window, start_ns):
            return running.number()
        return self._afresh(window, start_ns, end_ns)

    def _afresh(self, window: Window, start_ns: int, end_ns: int) -> float | None:
        tally = self._tally()
        for entry in window.between(start_ns, end_ns):
            tally.add(entry[3])
        return tally.number()


def _evidence(window: Window, start_ns: int, end_ns: int, *, is_open: bool) -> tuple[Candidate, ...]:
    """Return what a number rests on: the first and the last of many, or for an open alert the last few."""
    if is_open:
        return tuple(entry[3] for entry in window.last_between(start_ns, end_ns, MAX_NEW_STEPS))
    return tuple(entry[3] for entry in window.ends_between(start_ns, end_ns, MAX_EVIDENCE // 2))
