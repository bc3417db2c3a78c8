"""From the alert log to the sinks outside: in order, each at its own pace, again until taken."""

from __future__ import annotations

import asyncio

from detector.alerting.sinks.delivery import Refusal, Sink, letter_of
from detector.alerting.sinks.handover import Handover
from detector.runtime.embedded.store import EngineStore

MAX_BACKLOG = 100_000
"""Revisions that may wait for the slowest sink; above it the engine stops reading, as the raw log is the buffer."""

_BATCH = 100


class Delivery:
    """One reader of the alert log a sink; positions are kept, so a restart repeats at most one batch."""

    def __init__(self, store: EngineStore, sinks: dict[str, Sink]) -> None:
        self._store = store
        self._handovers = [Handover(name, sink, self._reject) for name, sink in sinks.items()]
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def up(self) -> dict[str, bool]:
        """Tell by the sinks' names which of them take what they are given."""
        return {each.name: each.up for each in self._handovers}

    def start(self) -> None:
        """Begin delivering."""
        self._tasks = [asyncio.create_task(self._run(each), name=f"sink {each.name}") for each in self._handovers]

    def wake(self) -> None:
        """Tell the readers that revisions were committed."""
        if not self._handovers:
            self._store.trim_alert_log(2**62)
        self._wake.set()

    def backlog(self) -> int:
        """Return how many revisions wait for the slowest sink."""
        return self._store.alert_log_length()

    async def stop(self, *, timeout_s: float = 5.0) -> None:
        """Deliver what is committed if the sinks take it in time, then end."""
        self._stopping = True
        self._wake.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for handover in self._handovers:
            await handover.close()

    async def _run(self, handover: Handover) -> None:
        reader = f"sink:{handover.name}"
        position = self._store.position(reader)
        while True:
            batch = self._store.alert_log(position, _BATCH)
            if not batch:
                if self._stopping:
                    return
                self._wake.clear()
                if not self._store.alert_log(position, 1):
                    await self._wake.wait()
                continue
            await handover.give([alert for _, alert in batch])
            position = batch[-1][0]
            self._store.set_position(reader, position)
            self._trim()

    def _reject(self, name: str, refusal: Refusal) -> None:
        self._store.add_dead_letters([letter_of(name, refusal)])

    def _trim(self) -> None:
        self._store.trim_alert_log(min(self._store.position(f"sink:{each.name}") for each in self._handovers))
