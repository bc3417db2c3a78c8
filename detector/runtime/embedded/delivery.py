"""From the alert log to the sinks outside: in order, each at its own pace, again until taken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from detector.alert import Alert
from detector.alerting.sinks.delivery import Sink
from detector.errors import SinkRejectedError, SinkUnavailableError
from detector.runtime.embedded.store import EngineStore
from detector.task import DeadLetter

MAX_BACKLOG = 100_000
"""Revisions that may wait for the slowest sink; above it the engine stops reading, as the raw log is the buffer."""

_BATCH = 100
_RETRY_S = 5.0
_log = structlog.get_logger(__name__)


class Delivery:
    """One reader of the alert log a sink; positions are kept, so a restart repeats at most one batch."""

    def __init__(self, store: EngineStore, sinks: dict[str, Sink]) -> None:
        self._store = store
        self._sinks = sinks
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self.up: dict[str, bool] = dict.fromkeys(sinks, True)

    def start(self) -> None:
        """Begin delivering."""
        self._tasks = [
            asyncio.create_task(self._run(name, sink), name=f"sink {name}") for name, sink in self._sinks.items()
        ]

    def wake(self) -> None:
        """Tell the readers that revisions were committed."""
        if not self._sinks:
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
        for sink in self._sinks.values():
            await sink.close()

    async def _run(self, name: str, sink: Sink) -> None:
        reader = f"sink:{name}"
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
            await self._deliver(name, sink, [alert for _, alert in batch])
            position = batch[-1][0]
            self._store.set_position(reader, position)
            self._trim()

    async def _deliver(self, name: str, sink: Sink, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            while True:
                try:
                    await sink.deliver(alert)
                except SinkUnavailableError as error:
                    if self.up[name]:
                        _log.warning("sink_became_unavailable", sink=name, error=str(error))
                    self.up[name] = False
                    await asyncio.sleep(_RETRY_S)
                    continue
                except SinkRejectedError as error:
                    self._reject(name, alert, error)
                self.up[name] = True
                break

    def _reject(self, name: str, alert: Alert, error: SinkRejectedError) -> None:
        _log.error("alert_rejected", sink=name, alert=alert.id, revision=alert.revision, error=str(error))
        letter = DeadLetter(
            id=f"{alert.id}/{alert.revision}",
            stage=f"sink:{name}",
            source="",
            dataset="isthmus.alert",
            received_ns=0,
            error=str(error),
            value=msgspec.json.encode(alert.document),
        )
        self._store.add_dead_letters([letter])

    def _trim(self) -> None:
        self._store.trim_alert_log(min(self._store.position(f"sink:{name}") for name in self._sinks))
