"""Waiting for a receiver that is away: growing pauses, and few words."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import structlog

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Pauses double from the first to the longest, which bounds how long a receiver that is back goes unnoticed."""

REMIND_S = 300.0
"""An outage is said when it begins, when it ends and so often meanwhile: not at each attempt."""

_log = structlog.get_logger(__name__)


class Outage:
    """What is known of one receiver.

    Args:
        name: Of the sink, for messages.
        draw: From 0 to 1, for the jitter of pauses.

    Attributes:
        name: Of the sink.
        up: False while it does not take what it is offered.
    """

    def __init__(self, name: str, *, draw: Callable[[], float] = random.random) -> None:
        self.name = name
        self.up = True
        self._draw = draw
        self._attempt = 0
        self._down_s = self._said_s = 0.0

    async def wait(self, problem: str, *, moved: bool) -> None:
        """Wait before the next attempt.

        Args:
            problem: Why it is needed.
            moved: The last attempt got some of it over: pauses begin anew.
        """
        self._attempt = 1 if moved else self._attempt + 1
        self._say(problem)
        pause_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._attempt - 1, 20))
        await asyncio.sleep(pause_s * (0.5 + self._draw() / 2))

    def end(self) -> None:
        """Learn that everything was taken."""
        self._attempt = 0
        if not self.up:
            self.up = True
            _log.info("sink_recovered", sink=self.name, down_s=round(time.monotonic() - self._down_s, 1))

    def _say(self, problem: str) -> None:
        now_s = time.monotonic()
        if self.up:
            self.up, self._down_s, self._said_s = False, now_s, now_s
            _log.warning("sink_became_unavailable", sink=self.name, error=problem)
        elif now_s - self._said_s >= REMIND_S:
            self._said_s = now_s
            down_s = int(now_s - self._down_s)
            _log.error("sink_stayed_unavailable", sink=self.name, error=problem, down_s=down_s)
