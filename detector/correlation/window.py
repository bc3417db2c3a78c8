"""The retained candidates of one group, in order of time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from detector.candidate import Candidate

if TYPE_CHECKING:
    from detector.correlation.tally import RunningTally

Entry = tuple[int, str, str, Candidate]
"""Time, event id, rule id, candidate: sorts by time, and never reaches the candidate, as the ids differ."""

_INDEXED_FROM = 16
"""Entries from which those of one rule are worth a list of their own."""

_COMPACTED_FROM = 16
"""Forgotten entries from which their room is given back, once they are half of all."""


class Timeline:
    """Entries in order of time; the oldest are forgotten first.

    What is forgotten stays in front of the list until it is half of it, so that forgetting costs the same however
    long the list is.

    Attributes:
        size: How many entries; read several times a candidate, which a call would double the cost of.
    """

    __slots__ = ("_entries", "_first", "size")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._first = 0
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries, oldest first."""
        return iter(self._entries[self._first :])

    def newest(self) -> Entry:
        """Return the last entry.

        Raises:
            IndexError: There is none.
        """
        return self._entries[-1]

    def filed_ns(self) -> int:
        """Return when the last entry happened: when it is too old, all are."""
        return self._entries[-1][0]

    def from_newest(self, number: int) -> Entry:
        """Return the entry that is so many before the end, 1 for the last; there must be as many."""
        return self._entries[-number]

    def between(self, start_ns: int, end_ns: int) -> Sequence[Entry]:
        """Return what happened from start to end, both included."""
        entries = self._entries
        return entries[self._at(start_ns) : bisect_left(entries, (end_ns + 1,), self._first)]

    def ends_between(self, start_ns: int, end_ns: int, count: int) -> Sequence[Entry]:
        """Return the first and the last of what happened from start to end, at most so many of each."""
        entries = self._entries
        first, last = self._at(start_ns), bisect_left(entries, (end_ns + 1,), self._first)
        if last - first <= 2 * count:
            return entries[first:last]
        return entries[first : first + count] + entries[last - count : last]

    def last_between(self, start_ns: int, end_ns: int, count: int) -> Sequence[Entry]:
        """Return the last of what happened from start to end, at most so many."""
        last = bisect_left(self._entries, (end_ns + 1,), self._first)
        return self._entries[max(self._at(start_ns), last - count) : last]

    def count_between(self, start_ns: int, end_ns: int) -> int:
        """Return how much happened from start to end, both included."""
        return bisect_left(self._entries, (end_ns + 1,), self._first) - self._at(start_ns)

    def backwards(self, end_ns: int) -> Iterator[Entry]:
        """Yield entries from the last that happened no later than a time, newest first."""
        entries = self._entries
        for at in range(bisect_left(entries, (end_ns + 1,), self._first) - 1, self._first - 1, -1):
            yield entries[at]

    def forwards(self, start_ns: int) -> Iterator[Entry]:
        """Yield entries from the first that happened no earlier than a time."""
        entries = self._entries
        for at in range(self._at(start_ns), len(entries)):
            yield entries[at]

    def has_event(self, time_ns: int, event_id: str) -> bool:
        """Return whether an event is there under any rule."""
        entries = self._entries
        at = bisect_left(entries, (time_ns, event_id), self._first)
        return at < len(entries) and entries[at][0] == time_ns and entries[at][1] == event_id

    def first_after(self, time_ns: int) -> Entry | None:
        """Return the first entry strictly after a time."""
        at = self._at(time_ns + 1)
        return self._entries[at] if at < len(self._entries) else None

    def _at(self, start_ns: int) -> int:
        return bisect_left(self._entries, (start_ns,), self._first)

    def _add(self, entry: Entry) -> bool | None:
        """Put an entry in its place: True at the end, False before others, None when it is there already."""
        entries = self._entries
        if not self.size or entry[0] > entries[-1][0]:
            entries.append(entry)
            self.size += 1
            return True
        at = bisect_left(entries, entry[:3], self._first)
        if at < len(entries) and entries[at][:3] == entry[:3]:
            return None
        entries.insert(at, entry)
        self.size += 1
        return at == len(entries) - 1

    def _forget(self, count: int) -> list[Entry]:
        entries = self._entries
        first = self._first + count
        forgotten = entries[self._first : first]
        self.size -= count
        if first == len(entries) or (first >= _COMPACTED_FROM and 2 * first >= len(entries)):
            del entries[:first]
            first = 0
        self._first = first
        return forgotten


class Window(Timeline):
    """Candidates sorted by time, all together and by rule. Both ends of every range are inclusive.

    Attributes:
        max_uncertainty_ns: Largest uncertainty of any candidate that was ever in it.
        tally: A number that follows its end, where the condition wants one.
    """

    __slots__ = ("_of_rule", "max_uncertainty_ns", "tally")

    def __init__(self) -> None:
        super().__init__()
        self._of_rule: dict[str, Timeline] = _NO_RULES
        self.max_uncertainty_ns = 0
        self.tally: RunningTally | None = None

    def insert(self, candidate: Candidate) -> bool | None:
        """Add a candidate.

        Returns:
            True when it is the newest now, False when it stands before others, None when the event is already there
            under this rule.
        """
        entry = (candidate.time_ns, candidate.event_id, candidate.rule_name, candidate)
        is_newest = self._add(entry)
        if is_newest is None:
            return None
        if self._of_rule:
            self._file(entry)
        if candidate.uncertainty_ns > self.max_uncertainty_ns:  # noqa: PLR1730  half the cost of a call of max
            self.max_uncertainty_ns = candidate.uncertainty_ns
        return is_newest

    def holds(self, candidate: Candidate) -> bool:
        """Return whether the event is there under the candidate's rule."""
        same = self.between(candidate.time_ns, candidate.time_ns)
        return any(entry[1] == candidate.event_id and entry[2] == candidate.rule_name for entry in same)

    def rules(self) -> set[str]:
        """Return the rules of which something is there."""
        if self._is_indexed():
            return {rule_id for rule_id, timeline in self._of_rule.items() if timeline.size}
        return {entry[2] for entry in self}

    def of_rule(self, rule_id: str) -> Timeline:
        """Return what one rule matched."""
        if self._is_indexed():
            return self._of_rule.get(rule_id, _EMPTY)
        found = Timeline()
        found._entries = [entry for entry in self if entry[2] == rule_id]  # noqa: SLF001  one class fills the other
        found.size = len(found._entries)  # noqa: SLF001  as above
        return found

    def rule_between(self, rule_id: str, start_ns: int, end_ns: int) -> Sequence[Entry]:
        """Return what one rule matched from start to end, both included."""
        return self.of_rule(rule_id).between(start_ns, end_ns)

    def evict_before(self, time_ns: int) -> list[Candidate]:
        """Forget what happened before a time, and return it."""
        entries = self._entries
        if not self.size or entries[self._first][0] >= time_ns:
            return []
        return self._evict(self._at(time_ns) - self._first)

    def evict_oldest(self, keep: int) -> list[Candidate]:
        """Forget the oldest beyond a number, and return them."""
        excess = self.size - keep
        return self._evict(excess) if excess > 0 else []

    def _is_indexed(self) -> bool:
        """Return whether there are lists by rule; they are made when there are more than a few entries."""
        if self._of_rule:
            return True
        if self.size < _INDEXED_FROM:
            return False
        self._of_rule = {}
        for entry in self:
            self._file(entry)
        return True

    def _file(self, entry: Entry) -> None:
        timeline = self._of_rule.get(entry[2])
        if timeline is None:
            timeline = self._of_rule[entry[2]] = Timeline()
        timeline._add(entry)  # noqa: SLF001  as above

    def _evict(self, count: int) -> list[Candidate]:
        evicted = self._forget(count)
        if self._of_rule:
            counts = dict[str, int]()
            for _, _, rule_id, _ in evicted:
                counts[rule_id] = counts.get(rule_id, 0) + 1
            for rule_id, number in counts.items():
                self._of_rule[rule_id]._forget(number)  # noqa: SLF001  as above
        return [entry[3] for entry in evicted]


_EMPTY = Timeline()
_NO_RULES: dict[str, Timeline] = {}
