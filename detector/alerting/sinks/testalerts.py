"""Test alerts, which canaries make, kept from sinks behind which somebody would act on them."""

from __future__ import annotations

from collections.abc import Sequence

from detector.alert import Alert
from detector.alerting.contract import is_test
from detector.alerting.sinks.delivery import Outcome, Sink


class WithoutTests:
    """Hands every other alert on, and lets these count as taken."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def deliver(self, alerts: Sequence[Alert]) -> Outcome:
        """Hand over what is no test."""
        real = [alert for alert in alerts if not is_test(alert.document)]
        return await self._sink.deliver(real) if real else Outcome()

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()
