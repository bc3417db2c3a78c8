"""What a type of correlation means for the candidates of one group, in one form for all types."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from detector.candidate import Candidate
from detector.correlation.hit import Hit


class Moment(msgspec.Struct, frozen=True):
    """One application of a candidate, expiry or decision at which the condition is evaluated.

    Attributes:
        at_ns: When.
        hits: What holds; empty when nothing does.
        is_expiry: Something left the window, rather than entered.
    """

    at_ns: int
    hits: tuple[Hit, ...]
    is_expiry: bool = False


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """A window in which the condition does not hold.

    Attributes:
        score: How near it is, from 0 to below 1.
        start_ns: Its start.
        end_ns: Its end.
        candidates: What it holds.
        found: What that comes to.
        missing: What is missing, one sentence each.
    """

    score: float
    start_ns: int
    end_ns: int
    candidates: tuple[Candidate, ...]
    found: str
    missing: tuple[str, ...]


class Meaning(Protocol):
    """One group of one correlation."""

    def moments(self) -> Iterator[Moment]:
        """Yield every evaluation of the condition, in the order in which the engine makes them."""
        ...

    def nearest(self, limit: int) -> tuple[list[Near], int]:
        """Return the windows that came nearest, best first, and how many there are; for a group that never fired."""
        ...


Place = tuple[int, str, str]
"""Time, event id and rule: the order in which candidates are applied."""


class Timeline:
    """Candidates of one group in the order in which they are applied, together and by rule.

    Attributes:
        entries: All of them.
        times: Their times.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self.entries = in_order(candidates)
        self.times = [each.time_ns for each in self.entries]
        self._of_rule = dict[str, tuple[list[Place], list[Candidate]]]()
        for each in self.entries:
            places, found = self._of_rule.setdefault(each.rule_name, ([], []))
            places.append(place_of(each))
            found.append(each)

    def between(self, start_ns: int, end_ns: int) -> Sequence[Candidate]:
        """Return what happened between two times, both included."""
        return self.entries[bisect_left(self.times, start_ns) : bisect_right(self.times, end_ns)]

    def of(self, rule_id: str, start_ns: int, end_ns: int, applied: Place | None = None) -> Sequence[Candidate]:
        """Return what a rule matched between two times, both included; only what is applied up to a place, if given."""
        places, found = self._of_rule.get(rule_id, ([], []))
        first, last = bisect_left(places, (start_ns, "", "")), bisect_left(places, (end_ns + 1, "", ""))
        if applied is not None:
            last = min(last, bisect_right(places, applied))
        return found[first:last]

    def last_of(self, rule_id: str, start_ns: int, applied: Place) -> Candidate | None:
        """Return the last match of a rule since a time among what is applied; of one instant that with the least id."""
        places, found = self._of_rule.get(rule_id, ([], []))
        last = bisect_right(places, applied) - 1
        if last < 0 or places[last][0] < start_ns:
            return None
        return found[bisect_left(places, (places[last][0], "", ""))]

    def all_of(self, rule_id: str) -> Sequence[Candidate]:
        """Return all that a rule matched."""
        return self._of_rule.get(rule_id, ([], []))[1]


def place_of(candidate: Candidate) -> Place:
    """Return a candidate's place in the order of application."""
    return candidate.time_ns, candidate.event_id, candidate.rule_name


def in_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Sort candidates as they are applied: by time, then by id."""
    return sorted(candidates, key=place_of)
