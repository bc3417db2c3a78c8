"""When each covering source was heard, and whether that covers a span of time."""

from __future__ import annotations

import msgspec

from detector.correlation.ordering import END_OF_INPUT, NOT_YET
from detector.correlation.plan import Expectations, Expected
from detector.task import Unwatched

MAX_RUNS = 256
"""Runs remembered of one source; a source that falls silent more often covers nothing long anyway."""

MAX_AWAY = 256
"""Stretches remembered in which nobody listened; who is restarted more often is watched by nobody anyway."""


class Blind(msgspec.Struct, frozen=True):
    """A source that may have missed something.

    Attributes:
        source: Logical source id; empty when nobody is known that would have told.
        why: What is wrong with it, for a reader.
    """

    source: str
    why: str

    def __str__(self) -> str:
        """Say both."""
        return f"{self.source} {self.why}".strip()


class Run(msgspec.Struct, frozen=True):
    """A stretch in which a source was heard without a gap above its expectation.

    Attributes:
        start_ns: Ready time at which it began.
        last_ns: Ready time of the last record so far.
    """

    start_ns: int
    last_ns: int


class Watch:
    """What the task has been told of its sources, and of the times in which nobody took their records in.

    Attributes:
        liveness: Runs of the covering sources.
        away: When nobody did, in order of time; at most `MAX_AWAY`, of which the first names the begin of watching.
        activated_ns: Correlation id to when it became active, for those that did so later than the first.
    """

    def __init__(self, from_ns: int | None) -> None:
        self.liveness = Liveness()
        self.away: list[Unwatched] = [] if from_ns is None else [Unwatched(None, from_ns)]
        self.activated_ns: dict[str, int] = {}

    @property
    def from_ns(self) -> int:
        """Since when everything is watched, but for later gaps; the end of time while no partition has said so."""
        return self.away[0].to_ns if self.away else END_OF_INPUT

    def miss(self, away: Unwatched) -> bool:
        """Learn that nobody took records in for a time; returns whether it is news.

        Every partition has a begin of its own; everything is watched once the last of them is.
        """
        if away.from_ns is None:
            if self.away and away.to_ns <= self.from_ns:
                return False
            self.away[:1] = [away]
            return True
        if away in self.away:
            return False
        first, *others = self.away or [Unwatched(None, away.to_ns)]
        self.away = [first, *sorted([*others, away], key=lambda each: each.to_ns)[1 - MAX_AWAY :]]
        return True

    def since(self, correlation_id: str) -> int:
        """Return since when everything is watched for a correlation, but for later gaps."""
        return max(self.from_ns, self.activated_ns.get(correlation_id, NOT_YET))

    def gap_in(self, start_ns: int, end_ns: int) -> Unwatched | None:
        """Return the newest stretch within a span in which nobody took records in."""
        if self.from_ns > start_ns:
            return Unwatched(None, self.from_ns)
        within = (each for each in reversed(self.away) if each.to_ns > start_ns and (each.from_ns or NOT_YET) < end_ns)
        return next(within, None)

    def covers(self, correlation_id: str, start_ns: int, end_ns: int) -> bool:
        """Return whether a correlation was there, and records were taken in, throughout a span."""
        return self.since(correlation_id) <= start_ns and self.gap_in(start_ns, end_ns) is None


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

    def runs(self, source: str) -> list[Run]:
        """Return the runs of a source, oldest first."""
        return self._runs.get(source, [])

    def take_back(self, source: str, runs: list[Run]) -> None:
        """Restore the runs of a source."""
        self._runs[source] = runs

    def blind_spots(self, expectations: Expectations, start_ns: int, end_ns: int, longest_ns: int) -> list[Blind]:
        """Find the sources that may have missed something in a span.

        A source covers it when it was heard in one run from before the start until after the end, by as much as its
        records may come late: what it saw within the span has had its time to arrive.

        Args:
            expectations: Sources that would have told.
            start_ns: Start of the span.
            end_ns: Its end.
            longest_ns: Timespan of the rule: a source that is heard less often proves nothing about it.

        Returns:
            Those that did not, in the order given; nobody in particular when no source is known that would have told.
        """
        if not expectations:
            return [Blind("", "no source is known to report it")]
        found = ((each.source, self._doubt(each, start_ns, end_ns, longest_ns)) for each in expectations)
        return [Blind(source, why) for source, why in found if why is not None]

    def _doubt(self, expected: Expected, start_ns: int, end_ns: int, longest_ns: int) -> str | None:
        if expected.expectation_ns is None:
            return "has no expectation"
        if expected.expectation_ns > longest_ns:
            return "is expected too seldom"
        runs = self.runs(expected.source)
        until_ns = end_ns + expected.lateness_ns
        if any(run.start_ns <= start_ns and run.last_ns >= until_ns for run in runs):
            return None
        if all(run.last_ns < until_ns for run in runs):
            return "was not heard afterwards"
        return "was not heard, in sync, all the while"
