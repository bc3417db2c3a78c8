"""Giving alerts to one sink until each is taken or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from detector.alert import Alert
from detector.alerting.sinks.delivery import Refusal, Sink
from detector.alerting.sinks.outage import Outage

_log = structlog.get_logger(__name__)


class Handover:
    """Offers again with growing pauses, for as long as it takes; other sinks have handovers of their own.

    Args:
        name: Of the sink, for messages and metrics.
        sink: Where alerts go.
        reject: Keeps what the sink refuses as a dead letter.
    """

    def __init__(self, name: str, sink: Sink, reject: Callable[[str, Refusal], None]) -> None:
        self.name = name
        self._sink = sink
        self._reject = reject
        self._outage = Outage(name)

    @property
    def up(self) -> bool:
        """Tell whether the sink takes what it is offered."""
        return self._outage.up

    async def give(self, alerts: Sequence[Alert]) -> None:
        """Return when each revision was taken or refused."""
        while alerts:
            outcome = await self._sink.deliver(alerts)
            for refusal in outcome.refused:
                alert = refusal.alert
                _log.error(
                    "alert_rejected", sink=self.name, alert=alert.id, revision=alert.revision, error=refusal.reason
                )
                self._reject(self.name, refusal)
            if outcome.waiting:
                await self._outage.wait(outcome.problem, moved=len(outcome.waiting) < len(alerts))
            alerts = outcome.waiting
        self._outage.end()

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()
