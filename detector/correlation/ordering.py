"""What waits for its turn: candidates and timers, in the order of docs/explanation/order.md."""

from __future__ import annotations

import heapq
from typing import Any, Final

NOT_YET: Final = -(2**63)
"""The watermark before every partition has reported."""

END_OF_INPUT: Final = 2**63 - 1
"""The watermark once nothing can follow."""


class OrderedBuffer:
    """Candidates and timers of all groups that share a watermark.

    A thing with order value o of a correlation with lateness L is due when ``W - L > o``, so the buffer sorts by
    o + L: within one correlation that is the order of o, and across correlations order has no meaning. Strictly
    above, because a record with ready time W itself may still come. A timer comes after the candidates of its
    instant and before those of the next one.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, str, str, Any]] = []
        self.passed_ns = NOT_YET

    def __len__(self) -> int:
        return len(self._heap)

    def add_candidate(self, due_ns: int, event_id: str, rule_id: str, thing: Any) -> None:  # noqa: ANN401  kept as is
        """Let a candidate wait."""
        heapq.heappush(self._heap, (due_ns, 0, event_id, rule_id, _Opaque(thing)))

    def add_timer(self, due_ns: int, key: str, thing: Any) -> None:  # noqa: ANN401  kept as is
        """Let a timer wait; one that is no longer wanted is recognised by its owner."""
        heapq.heappush(self._heap, (due_ns, 1, key, "", _Opaque(thing)))

    def advance(self, watermark_ns: int) -> None:
        """Learn how far the watermark has come; it never falls back."""
        self.passed_ns = max(self.passed_ns, watermark_ns)

    def is_past(self, due_ns: int) -> bool:
        """Return whether something due then has had its turn."""
        return due_ns < self.passed_ns

    def pop(self) -> tuple[int, Any] | None:
        """Take the next thing that is due, with its due time; None when nothing is."""
        if not self._heap or self._heap[0][0] >= self.passed_ns:
            return None
        due_ns, _, _, _, opaque = heapq.heappop(self._heap)
        return due_ns, opaque.thing


class _Opaque:
    """Keeps the heap from comparing what it holds, should all ids be equal."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:  # noqa: ANN401  kept as is
        self.thing = thing

    def __lt__(self, other: object) -> bool:
        return False
