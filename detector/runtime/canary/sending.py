"""Sending canaries: where records come in, beside the inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from connectors.errors import SourceUnavailableError
from connectors.record import Document
from detector.runtime.canary.records import canaries
from detector.runtime.clock import Clock

FIRST_S = 10.0
"""After the start: whoever starts an engine soon knows that it sees."""

_log = structlog.get_logger(__name__)


async def send_canaries(
    append: Callable[[Sequence[Document]], Awaitable[None]], clock: Clock, every_s: float, first_s: float = FIRST_S
) -> None:
    """Append the canaries of a round again and again, until cancelled.

    Args:
        append: Appends documents to the raw log; returns when they are durable.
        clock: Wall time.
        every_s: From round to round; 0: none is sent.
        first_s: Until the first round.
    """
    if not every_s:
        return
    await asyncio.sleep(min(first_s, every_s))
    while True:
        try:
            await append(canaries(clock.now_ns()))
        except SourceUnavailableError as error:
            _log.warning("canaries_not_sent", reason=str(error))
        await asyncio.sleep(every_s)
