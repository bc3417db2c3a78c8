"""When each covering source was heard, and whether that covers a span of time."""

from __future__ import annotations

import msgspec

from detector.correlation.ordering import END_OF_INPUT
from detector.correlation.plan import Expectations

MAX_RUNS = 256
"""Runs remembered of one source; a source that falls silent more often covers nothing long anyway."""


class Run(msgspec.Struct, frozen=True):
    """A stretch in which a source was heard without a gap above its expectation.

    Attributes:
        start_ns: Ready time at which it began.
        last_ns: Ready time of the last record so far.
    """

    start_ns: int
    last_ns: int


class Watch:
    """What the task has been told of its sources.

    Attributes:
        liveness: Runs of the covering sources.
        from_ns: Since when everything is watched; None while nothing has been heard.
        activated_ns: Correlation id to when it became active, for those that did so later than the first.
    """

    def __init__(self, from_ns: int | None) -> None:
        self.liveness = Liveness()
        self.from_ns = from_ns
        self.activated_ns: dict[str, int] = {}

    def since(self, correlation_id: str) -> int:
        """Return since when everything is watched for a correlation; the end of time while nothing has been heard."""
        if self.from_ns is None:
            return END_OF_INPUT
        return max(self.from_ns, self.activated_ns.get(correlation_id, self.from_ns))


class Liveness:
    """The runs of all covering sources, oldest first."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Run]] = {}

    def hear(self, source: str, run: Run) -> bool:
        """Take a report of a run; returns whether it is news."""
        runs = self._runs.setdefault(source, [])
        for index, known in enumerate(runs):
            if known.start_ns == run.start_ns:
                if run.last_ns <= known.last_ns:
                    return False
                runs[index] = run
                return True
        runs.append(run)
        runs.sort(key=lambda each: each.start_ns)
        del runs[: len(runs) - MAX_RUNS]
        return True

    def forget_before(self, time_ns: int) -> list[str]:
        """Drop runs that ended before a time, and return the sources that changed."""
        changed = list[str]()
        for source, runs in self._runs.items():
            kept = [run for run in runs if run.last_ns >= time_ns]
            # The last run stays: it tells when the source was heard at all.
            kept = kept or runs[-1:]
            if len(kept) < len(runs):
                self._runs[source] = kept
                changed.append(source)
        return changed

    def runs(self, source: str) -> list[Run]:
        """Return the runs of a source, oldest first."""
        return self._runs.get(source, [])

    def take_back(self, source: str, runs: list[Run]) -> None:
        """Restore the runs of a source."""
        self._runs[source] = runs

    def uncovered(self, expectations: Expectations, start_ns: int, end_ns: int, longest_ns: int) -> str | None:
        """Find a source that may have missed something in a span.

        Args:
            expectations: Covering sources with their expected longest gap.
            start_ns: Start of the span.
            end_ns: Its end.
            longest_ns: Timespan of the rule: a source that is heard less often proves nothing about it.

        Returns:
            None when every source was heard from before the start until after the end, in one run; else the
            first source that was not, or an empty text when no covering source is known at all.
        """
        if not expectations:
            return ""
        for source, expectation_ns in expectations:
            provable = expectation_ns is not None and expectation_ns <= longest_ns
            if not provable or not any(run.start_ns <= start_ns and run.last_ns >= end_ns for run in self.runs(source)):
                return source
        return None
