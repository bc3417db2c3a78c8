"""What lookups computed, kept for as long as it holds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Any

from normalizers.context.schema import Row

MAX_STRETCHES = 8
"""Events of one time are asked about together; a few stretches are in use at once."""

MAX_ENTRIES = 10_000
"""Of one stretch, about 1 kB each; a landscape has fewer things that are named."""

MAX_NAME = 1_000
"""Characters of one key; longer names are a sender's rubbish, and must not fill memory."""

Memory = dict[tuple[object, ...], Any]


class Memo:
    """Results of lookups in tables that seldom change, by the stretches of time in which they hold.

    A result changes only where a row becomes known or valid, or ceases to be: between two such instants it is the same
    at any time.
    """

    def __init__(self) -> None:
        self._known: list[int] = []
        self._valid: list[int] = []
        self._stretches: dict[tuple[int, int], Memory] = {}

    def note(self, rows: Iterable[Row], known_at_ns: int) -> None:
        """Learn that rows were added, or took the place of all others."""
        self._stretches.clear()
        _insert(self._known, known_at_ns)
        for row in rows:
            for bound_ns in (row.valid_from_ns, row.valid_to_ns):
                if bound_ns is not None:
                    _insert(self._valid, bound_ns)

    def at(self, known_ns: int, time_ns: int) -> Memory:
        """Return what was computed for this stretch of what was known and of what was valid."""
        stretch = bisect_right(self._known, known_ns), bisect_right(self._valid, time_ns)
        memory = self._stretches.get(stretch)
        if memory is None:
            if len(self._stretches) >= MAX_STRETCHES:
                self._stretches.clear()
            self._stretches[stretch] = memory = {}
        return memory


def keep(memory: Memory, key: tuple[object, ...], result: object) -> None:
    """Remember a result, unless its key is so long that no landscape has such a name."""
    if len(str(key)) > MAX_NAME:
        return
    if len(memory) >= MAX_ENTRIES:
        memory.clear()
    memory[key] = result


def _insert(ordered: list[int], value: int) -> None:
    at = bisect_left(ordered, value)
    if at == len(ordered) or ordered[at] != value:
        ordered.insert(at, value)
