"""Wall time, as an argument: the only places that may ask the system for it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the runtimes and listeners ask for the time."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds of the machine."""
        return time.time_ns()


class SteppedClock:
    """A clock that stands still until it is set; for the demo, replays and tests."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the time it was last set to."""
        return self._now_ns

    def set(self, now_ns: int) -> None:
        """Move forward; a time before the present one is ignored, as a clock never runs backwards here."""
        self._now_ns = max(self._now_ns, now_ns)
