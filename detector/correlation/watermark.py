"""How far all raw partitions have come together."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from detector.correlation.ordering import NOT_YET


class PartitionState(msgspec.Struct):
    """What is known of one partition's clock.

    Attributes:
        clock_ns: Nothing with a smaller ready time follows from it.
        generation: Of its owner; reports of earlier owners are ignored.
        moved_at_ns: Reader's wall time when the clock was last seen to move; None before the first tick.
        seen_ns: The clock at that time.
        stuck: It has not moved for `max_wait`.
    """

    clock_ns: int = NOT_YET
    generation: int = 0
    moved_at_ns: int | None = None
    seen_ns: int = NOT_YET
    stuck: bool = False


class Watermark:
    """The minimum over the clocks of all partitions named, and the same without those that are stuck."""

    def __init__(self, partitions: Iterable[int], max_wait_ns: int) -> None:
        self._states = {partition: PartitionState() for partition in partitions}
        self._max_wait_ns = max_wait_ns

    def report(self, partition: int, clock_ns: int, generation: int) -> bool:
        """Take a partition's clock.

        Returns:
            Whether it is news: unknown partitions and lower generations are ignored, and a clock never falls back.
        """
        state = self._states.get(partition)
        if state is None or generation < state.generation:
            return False
        news = clock_ns > state.clock_ns or generation > state.generation
        state.generation = generation
        state.clock_ns = max(state.clock_ns, clock_ns)
        return news

    def tick(self, now_ns: int) -> None:
        """Learn the reader's wall time.

        The wait is counted from the first tick seen, so a task that was down does not blame a partition for it.
        """
        for state in self._states.values():
            if state.moved_at_ns is None or state.clock_ns > state.seen_ns:
                state.moved_at_ns = now_ns
                state.seen_ns = state.clock_ns
            state.stuck = now_ns - state.moved_at_ns >= self._max_wait_ns

    @property
    def strict_ns(self) -> int:
        """W: the minimum over all partitions, minus infinity until each has reported."""
        return min((state.clock_ns for state in self._states.values()), default=NOT_YET)

    @property
    def eager_ns(self) -> int:
        """W for correlations that may go on without a stuck partition; W itself while none or every one is stuck."""
        moving = [state.clock_ns for state in self._states.values() if not state.stuck]
        return min(moving) if moving else self.strict_ns

    def eager_with(self, partition: int, clock_ns: int) -> int:
        """Return what `eager_ns` would be once a partition has come so far."""
        state = self._states.get(partition)
        if state is None or clock_ns <= state.clock_ns:
            return self.eager_ns
        others = [each.clock_ns for each in self._states.values() if each is not state and not each.stuck]
        return min([*others, clock_ns])

    @property
    def newest_ns(self) -> int:
        """How far the partition that is ahead of all has come."""
        return max((state.clock_ns for state in self._states.values()), default=NOT_YET)

    @property
    def stuck(self) -> tuple[int, ...]:
        """Partitions that the others do not wait for."""
        found = tuple(partition for partition, state in self._states.items() if state.stuck)
        return found if len(found) < len(self._states) else ()

    def entries(self) -> dict[int, tuple[int, int]]:
        """Return clock and generation of each partition, for the task's state."""
        return {partition: (state.clock_ns, state.generation) for partition, state in self._states.items()}
