"""What every sink does."""

from __future__ import annotations

from typing import Protocol

from detector.alert import Alert


class Sink(Protocol):
    """Takes revisions of alerts, in order. A repeat of a revision must change nothing at the receiver."""

    async def deliver(self, alert: Alert) -> None:
        """Hand one revision over.

        Raises:
            SinkUnavailableError: Try again later.
            SinkRejectedError: Never again; the alert becomes a dead letter.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
