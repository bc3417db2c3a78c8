"""The retained candidates of one group, in order of time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from detector.candidate import Candidate

Entry = tuple[int, str, str, Candidate]
"""Time, event id, rule id, candidate: sorts by time, and never reaches the candidate, as the ids differ."""


class Window:
    """Candidates sorted by time, all together and by rule.

    Both ends of every range are inclusive.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.of_rule: dict[str, list[Entry]] = {}
        self.max_uncertainty_ns = 0

    def __len__(self) -> int:
        return len(self.entries)

    def insert(self, candidate: Candidate) -> bool:
        """Add a candidate; False when the event is already there under this rule."""
        entry = (candidate.time_ns, candidate.event_id, candidate.rule_name, candidate)
        at = bisect_left(self.entries, entry[:3])
        if at < len(self.entries) and self.entries[at][:3] == entry[:3]:
            return False
        self.entries.insert(at, entry)
        insort(self.of_rule.setdefault(candidate.rule_name, []), entry)
        self.max_uncertainty_ns = max(self.max_uncertainty_ns, candidate.uncertainty_ns)
        return True

    def between(self, start_ns: int, end_ns: int) -> Sequence[Entry]:
        """Return what happened from start to end, both included."""
        return _slice(self.entries, start_ns, end_ns)

    def rule_between(self, rule_id: str, start_ns: int, end_ns: int) -> Sequence[Entry]:
        """Return what one rule matched from start to end, both included."""
        return _slice(self.of_rule.get(rule_id, []), start_ns, end_ns)

    def count_between(self, start_ns: int, end_ns: int) -> int:
        """Return how much happened from start to end, both included."""
        return bisect_left(self.entries, (end_ns + 1,)) - bisect_left(self.entries, (start_ns,))

    def has_event(self, time_ns: int, event_id: str) -> bool:
        """Return whether an event is there under any rule."""
        at = bisect_left(self.entries, (time_ns, event_id))
        return at < len(self.entries) and self.entries[at][:2] == (time_ns, event_id)

    def first_after(self, time_ns: int) -> Entry | None:
        """Return the first entry strictly after a time."""
        at = bisect_left(self.entries, (time_ns + 1,))
        return self.entries[at] if at < len(self.entries) else None

    def evict_before(self, time_ns: int) -> list[Candidate]:
        """Forget what happened before a time, and return it."""
        return self._evict(bisect_left(self.entries, (time_ns,)))

    def evict_oldest(self, keep: int) -> list[Candidate]:
        """Forget the oldest beyond a number, and return them."""
        return self._evict(max(0, len(self.entries) - keep))

    def _evict(self, count: int) -> list[Candidate]:
        if not count:
            return []
        evicted = self.entries[:count]
        del self.entries[:count]
        counts = dict[str, int]()
        for _, _, rule_id, _ in evicted:
            counts[rule_id] = counts.get(rule_id, 0) + 1
        for rule_id, number in counts.items():
            del self.of_rule[rule_id][:number]
        return [candidate for _, _, _, candidate in evicted]


def _slice(entries: list[Entry], start_ns: int, end_ns: int) -> Sequence[Entry]:
    first = bisect_left(entries, (start_ns,))
    last = bisect_left(entries, (end_ns + 1,))
    return entries[first:last] if (first, last) != (0, len(entries)) else entries
