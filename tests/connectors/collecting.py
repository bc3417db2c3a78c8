"""An intake that keeps what it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from connectors.record import Document


class Collected:
    """Documents and rejections in order."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.rejected: list[str] = []
        self.positions: dict[str, int] = {}

    async def put(self, documents: Sequence[Document]) -> None:
        """Keep documents."""
        self.documents.extend(documents)
        for document in documents:
            if document.input is not None and document.position is not None:
                self.positions[document.input] = document.position

    async def reject(self, source: str, dataset: str, value: bytes, reason: str) -> None:  # noqa: ARG002  the protocol
        """Keep a reason."""
        self.rejected.append(reason)

    def position_of(self, input_id: str) -> int | None:
        """Return how far an input was taken."""
        return self.positions.get(input_id)

    async def until(self, count: int) -> list[bytes]:
        """Wait for a number of documents and rejections together."""
        for _ in range(500):
            if len(self.documents) + len(self.rejected) >= count:
                break
            await asyncio.sleep(0.01)
        return [document.value for document in self.documents]
