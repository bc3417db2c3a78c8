"""Ends a worker that no longer makes progress, from a thread that does not depend on what hangs."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping

EXIT_CODE = 4
"""Tells whoever restarts the worker why it ended."""

LIMIT_S = 120.0
"""Longer than any restore blocks the event loop, and than a broker takes to answer anything."""

_LOOK_S = 1.0


class Watchdog:
    """Looks at signs of life; when one is too old, the process ends at once: its tasks go on elsewhere.

    Args:
        signs: What it is a sign of, to a function that returns the monotonic time of the last one.
        limit_s: How old a sign may be.
        end: Ends the process.
    """

    def __init__(
        self,
        signs: Mapping[str, Callable[[], float]],
        *,
        limit_s: float = LIMIT_S,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._signs, self._limit_s, self._end = signs, limit_s, end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="isthmus-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK_S):
            now_s = time.monotonic()
            for name, last_s in self._signs.items():
                if now_s - last_s() > self._limit_s:
                    # Not by the log: its locks may be what hangs.
                    sys.stderr.write(f"watchdog: no sign of {name} for {now_s - last_s():.0f} s; the worker ends\n")
                    sys.stderr.flush()
                    self._end(EXIT_CODE)
                    return
