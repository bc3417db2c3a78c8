"""Records that a task failed on: found by applying them one by one, then kept as dead letters."""

from __future__ import annotations

from collections.abc import Sequence

from detector.errors import StateError

MAX_BAD = 100
"""More bad records between two checkpoints mean that not they are at fault, but the task or its state."""


class Poison:
    """What is known of one partition, across the lives of its task."""

    def __init__(self) -> None:
        self._suspect_to = -1
        self._bad: dict[int, str] = {}

    def suspect(self, offsets: Sequence[int], error: Exception) -> None:
        """Learn that applying some records failed; of a single one it is known then that it is bad.

        Raises:
            StateError: Too many were bad: the task stops, and nothing is thrown away.
        """
        if len(offsets) == 1:
            self._bad[offsets[0]] = f"the task failed on it: {error!r}"
        elif offsets:
            self._suspect_to = max(self._suspect_to, offsets[-1])
        if len(self._bad) > MAX_BAD:
            raise StateError(f"{len(self._bad)} records in a row cannot be applied, the last one: {error!r}") from error

    def is_suspect(self, offset: int) -> bool:
        """Whether records from here on are to be applied one by one."""
        return offset <= self._suspect_to

    def reason(self, offset: int) -> str | None:
        """Return why a record is kept as a dead letter; None when it is to be applied."""
        return self._bad.get(offset)

    def forget_before(self, position: int) -> None:
        """Forget records that are behind."""
        self._bad = {offset: why for offset, why in self._bad.items() if offset >= position}
