"""Which group goes first: groups by when their last candidate leaves the retained window."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator

from detector.candidate import GroupKey

_BUCKETS = 64
"""Parts of a retention; a group outlives its last candidate by one of them at most."""


class Deadlines:
    """Groups filed by deadline, roughly: in buckets, so that filing costs the same however many there are."""

    def __init__(self, retention_ns: int) -> None:
        self._width_ns = max(retention_ns // _BUCKETS, 1)
        self._buckets: dict[int, deque[GroupKey]] = {}
        self._order: list[int] = []
        self._current = 0

    def file(self, deadline_ns: int, group: GroupKey) -> None:
        """File a group; one that is filed already is filed twice, and its owner recognises the stale one."""
        # What is past already but still needed is looked at again when time has gone on.
        number = max(deadline_ns // self._width_ns, self._current)
        bucket = self._buckets.get(number)
        if bucket is None:
            self._buckets[number] = deque((group,))
            heapq.heappush(self._order, number)
        else:
            bucket.append(group)

    def past(self, order_ns: int) -> Iterator[GroupKey]:
        """Take the groups whose bucket lies wholly before a time."""
        self._current = max(self._current, order_ns // self._width_ns)
        while self._order and self._order[0] < self._current:
            yield from self._buckets.pop(heapq.heappop(self._order))

    def first(self) -> GroupKey | None:
        """Take a group of the earliest bucket; None when nothing is filed."""
        while self._order:
            bucket = self._buckets[self._order[0]]
            if bucket:
                return bucket.popleft()
            del self._buckets[heapq.heappop(self._order)]
        return None
