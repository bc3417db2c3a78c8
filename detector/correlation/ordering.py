"""What waits for its turn: candidates and timers, in the order of docs/explanation/order.md."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final, Generic, TypeVar

from detector.candidate import Candidate

NOT_YET: Final = -(2**63)
"""The watermark before every partition has reported."""

END_OF_INPUT: Final = 2**63 - 1
"""The watermark once nothing can follow."""

T = TypeVar("T")


class OrderedBuffer(Generic[T]):
    """Candidates and timers of all groups that share a watermark.

    A thing with order value o of a correlation with lateness L is due when ``W - L > o``, so the buffer sorts by
    o + L: within one correlation that is the order of o, and across correlations order has no meaning. Strictly
    above, because a record with ready time W itself may still come. A timer comes after the candidates of its
    instant and before those of the next one.

    Candidates arrive nearly in order, so they are sorted a batch at a time, and only as far back as a batch reaches.
    """

    def __init__(self) -> None:
        self._arrived: list[tuple[int, str, str, int, Candidate]] = []
        self._waiting: list[tuple[int, str, str, int, Candidate]] = []
        self._timers: list[tuple[int, str, int, T]] = []
        self._number = count().__next__  # of two alike the first comes first, and nothing is ever compared further
        self.passed_ns = NOT_YET

    def add(self, due_ns: int, candidate: Candidate) -> None:
        """Let a candidate wait."""
        self._arrived.append((due_ns, candidate.event_id, candidate.rule_name, self._number(), candidate))

    def add_timer(self, due_ns: int, key: str, timer: T) -> None:
        """Let a timer wait; one that is no longer wanted is recognised by its owner."""
        heapq.heappush(self._timers, (due_ns, key, self._number(), timer))

    def drop(self, is_gone: Callable[[Candidate | T], bool]) -> list[Candidate]:
        """Let some things wait no longer, and return the candidates among them, in the order of their turns."""
        waiting = self._sorted()
        self._waiting = [entry for entry in waiting if not is_gone(entry[4])]
        self._timers = [entry for entry in self._timers if not is_gone(entry[3])]
        heapq.heapify(self._timers)
        return [entry[4] for entry in waiting if is_gone(entry[4])]

    def due(self, watermark_ns: int) -> Iterator[tuple[int, Candidate | T]]:
        """Take everything that has come to its turn, with its due time; timers may be added meanwhile.

        Args:
            watermark_ns: How far time has come; it never falls back.
        """
        self.passed_ns = passed_ns = max(self.passed_ns, watermark_ns)
        waiting = self._sorted()
        timers = self._timers
        number = bisect_left(waiting, (passed_ns,))
        for at in range(number):
            entry = waiting[at]
            while timers and timers[0][0] < entry[0]:
                yield self._pop_timer()
            yield entry[0], entry[4]
        del waiting[:number]
        while timers and timers[0][0] < passed_ns:
            yield self._pop_timer()

    def _pop_timer(self) -> tuple[int, T]:
        due_ns, _, _, timer = heapq.heappop(self._timers)
        return due_ns, timer

    def _sorted(self) -> list[tuple[int, str, str, int, Candidate]]:
        waiting, arrived = self._waiting, self._arrived
        if arrived:
            arrived.sort()
            if waiting and arrived[0] < waiting[-1]:
                at = bisect_left(waiting, arrived[0])
                arrived += waiting[at:]
                arrived.sort()
                del waiting[at:]
            waiting += arrived
            self._arrived = []
        return waiting
