"""From the event log to the sinks that take events; alerts do not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from detector.alerting.events import event_fields
from detector.alerting.sinks.delivery import EventDocument, EventSink
from detector.runtime.embedded.store import EngineStore

MAX_WAITING = 1_000_000
"""Events kept for a sink that is away, about 1 GB. Events are a convenience: of more, the oldest are dropped and
counted, rather than that detection stops or the disk fills."""

_BATCH = 500
_LOOK_S = 0.5
_log = structlog.get_logger(__name__)


class EventDelivery:
    """One reader of the event log a sink; positions are kept, so a restart repeats at most one batch.

    Args:
        store: Holds the event log.
        sinks: Where events go, by a name that lasts.
        keep: Leave delivered events in the store.
    """

    def __init__(self, store: EngineStore, sinks: Mapping[str, EventSink], *, keep: bool) -> None:
        self._store = store
        self._sinks = sinks
        self._keep = keep
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin delivering."""
        self._tasks = [asyncio.create_task(self._run(name), name=f"events {name}") for name in self._sinks]

    async def stop(self) -> None:
        """End; what is not delivered waits for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sink in self._sinks.values():
            await sink.close()

    def bound(self) -> None:
        """Drop what is beyond the bound; for every minute or so, also while a sink is away."""
        least = self._store.event_log_end() - MAX_WAITING
        for name in self._sinks:
            position = self._position(name)
            if position < least:
                _log.error("events_dropped", sink=name, events=least - position)
                self._pass(name, least)

    async def _run(self, name: str) -> None:
        while True:
            batch = self._store.event_log(self._position(name), _BATCH)
            if not batch:
                await asyncio.sleep(_LOOK_S)
                continue
            await self._sinks[name].give([EventDocument(event.id, event_fields(event)) for _, event in batch])
            self._pass(name, batch[-1][0])

    def _position(self, name: str) -> int:
        return self._store.position(f"events:{name}")

    def _pass(self, name: str, place: int) -> None:
        # What was dropped while a batch was on its way is behind it for good.
        self._store.set_position(f"events:{name}", max(place, self._position(name)))
        if not self._keep:
            self._store.trim_event_log(min(self._position(each) for each in self._sinks))
