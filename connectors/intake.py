"""Where connectors put what they read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from connectors.record import Document


class Intake(Protocol):
    """The engine's side of every connector; waiting in `put` is the back-pressure."""

    async def put(self, documents: Sequence[Document]) -> None:
        """Append documents; returns only when they are durable.

        Raises:
            SourceUnavailableError: The engine is stopping or cannot write; send again later.
        """
        ...

    async def reject(self, source: str, dataset: str, value: bytes, reason: str) -> None:
        """Keep what cannot become a document as a dead letter.

        Args:
            source: Logical source id.
            dataset: As far as known, else empty.
            value: The bytes, or their beginning.
            reason: Place and reason, for a reader.

        Raises:
            SourceUnavailableError: There is no room for it; send again later.
        """
        ...

    def position_of(self, input_id: str) -> int | None:
        """Return how far an input that can be read again has been taken, or None when it is new."""
        ...


class Connector(Protocol):
    """Anything that brings documents in while the engine is up."""

    async def start(self) -> None:
        """Begin; returns when it listens or watches.

        Raises:
            OSError: An address is taken or not ours.
            ConnectorSettingsError: A file it needs cannot be read.
        """
        ...

    async def stop(self) -> None:
        """Stop taking, and leave no task behind."""
        ...
