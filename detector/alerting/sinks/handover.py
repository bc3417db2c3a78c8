"""Giving alerts to one sink until each is taken or refused."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import structlog

from detector.alert import Alert
from detector.alerting.sinks.delivery import Refusal, Sink

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Pauses double from the first to the longest, which bounds how long a receiver that is back goes unnoticed."""

REMIND_S = 300.0
"""An outage is said when it begins, when it ends and so often meanwhile: not at each attempt."""

_log = structlog.get_logger(__name__)


class Handover:
    """Offers again with growing pauses, for as long as it takes; other sinks have handovers of their own.

    Args:
        name: Of the sink, for messages and metrics.
        sink: Where alerts go.
        reject: Keeps what the sink refuses as a dead letter.
        draw: From 0 to 1, for the jitter of pauses.

    Attributes:
        name: Of the sink.
        up: False while the sink does not take what it is offered.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        reject: Callable[[str, Refusal], None],
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.up = True
        self._sink = sink
        self._reject = reject
        self._draw = draw
        self._down_s = self._said_s = 0.0

    async def give(self, alerts: Sequence[Alert]) -> None:
        """Return when each revision was taken or refused."""
        attempt = 0
        while alerts:
            outcome = await self._sink.deliver(alerts)
            for refusal in outcome.refused:
                alert = refusal.alert
                _log.error(
                    "alert_rejected", sink=self.name, alert=alert.id, revision=alert.revision, error=refusal.reason
                )
                self._reject(self.name, refusal)
            if outcome.waiting:
                attempt = attempt + 1 if len(outcome.waiting) == len(alerts) else 1
                self._say_down(outcome.problem)
                pause_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(attempt - 1, 20))
                await asyncio.sleep(pause_s * (0.5 + self._draw() / 2))
            alerts = outcome.waiting
        self._say_up()

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()

    def _say_down(self, problem: str) -> None:
        now_s = time.monotonic()
        if self.up:
            self.up, self._down_s, self._said_s = False, now_s, now_s
            _log.warning("sink_became_unavailable", sink=self.name, error=problem)
        elif now_s - self._said_s >= REMIND_S:
            self._said_s = now_s
            down_s = int(now_s - self._down_s)
            _log.error("sink_stayed_unavailable", sink=self.name, error=problem, down_s=down_s)

    def _say_up(self) -> None:
        if not self.up:
            self.up = True
            _log.info("sink_recovered", sink=self.name, down_s=round(time.monotonic() - self._down_s, 1))
