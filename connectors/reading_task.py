"""What a connector does from its start to its stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class ReadingTask:
    """One task; start it once, stop it at any time."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def start(self, reading: Coroutine[Any, Any, None], name: str) -> None:
        """Begin to read.

        Args:
            reading: Goes on until it is cancelled.
            name: For whoever looks at tasks.
        """
        self._task = asyncio.create_task(reading, name=name)

    async def stop(self) -> None:
        """Cancel it, and wait until it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
