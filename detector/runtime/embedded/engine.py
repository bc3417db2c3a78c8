"""The embedded engine: listeners, raw log, tasks, store and sinks in one process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from connectors.intake import Connector
from connectors.table import build_connector
from detector.alert import Alert
from detector.alerting.contract import is_test
from detector.alerting.sinks.table import build_event_sinks, build_sink
from detector.runtime.assembly import read_rules
from detector.runtime.audit import AuditRecord, Fact, audit_value, settings_hash
from detector.runtime.canary.sending import send_canaries
from detector.runtime.canary.watching import CanaryWatch
from detector.runtime.clock import Clock
from detector.runtime.embedded.assembly import Assembly, assemble
from detector.runtime.embedded.delivery import MAX_BACKLOG, Delivery
from detector.runtime.embedded.driver import Progress
from detector.runtime.embedded.enginelog import begin_watch
from detector.runtime.embedded.eventdelivery import EventDelivery
from detector.runtime.embedded.intake import BatchingIntake
from detector.runtime.embedded.metrics import EngineMetrics
from detector.runtime.embedded.pages import Pages
from detector.runtime.embedded.store import WATCHED
from detector.runtime.embedded.worker import Worker
from detector.runtime.filterwatch import FilterWatch
from detector.runtime.reloading import RuleReload
from detector.settings import Settings

_PRUNE_S = 60.0
_log = structlog.get_logger(__name__)


class EmbeddedEngine:
    """Everything that runs in one process; start it once, stop it once."""

    def __init__(
        self, settings: Settings, clock: Clock, *, on_alerts: Callable[[Sequence[Alert]], None] = lambda _: None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._on_alerts = on_alerts
        self._filters = FilterWatch(clock)
        self.canaries = CanaryWatch(settings, clock)
        self.metrics = EngineMetrics(settings.sources, self.canaries.families)
        self.parts: Assembly = assemble(settings, clock)
        parts = self.parts
        self._worker = Worker(
            parts.driver,
            parts.rawlog,
            parts.store,
            clock,
            checkpoint_s=settings.checkpoint / 10**9,
            on_progress=self._progressed,
            on_alerts=self._committed,
            housekeep=self._refresh,
        )
        self.reloading = RuleReload(
            settings,
            parts.ruleset,
            load=read_rules,
            build=parts.build,
            adopt=lambda stages: self._worker.between(lambda: parts.driver.adopt(stages)),
            clock=clock,
            metrics=self.metrics.rules,
            tell=self._audit,
        )
        self.intake = BatchingIntake(
            parts.rawlog,
            clock,
            parts.store.add_dead_letters,
            datasets={name: s.dataset for name, s in settings.sources.items() if s.dataset},
            on_append=self._worker.wake,
        )
        sinks = {f"{i}-{s.name}": build_sink(s) for i, s in enumerate(settings.sinks)}
        self._delivery = Delivery(parts.store, sinks)
        event_sinks = build_event_sinks(settings.sinks, lambda letter: parts.store.add_dead_letters([letter]))
        named = {f"{i}-{sink.name}": sink for i, sink in enumerate(event_sinks)}
        self._events = EventDelivery(parts.store, named, keep=settings.keep_events)
        self._pages = Pages(parts.store, self.metrics, self.health)
        self.connectors: list[Connector] = [build_connector(i, self.intake) for i in settings.inputs]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """Port of the engine's own pages; 0 while they are off."""
        return self._pages.port

    async def start(self) -> None:
        """Start everything; when it returns, every listener listens.

        Raises:
            OSError: An address is taken or not ours.
            ConnectorSettingsError: A file that an input needs cannot be read.
        """
        every_s = self._settings.canary.every / 10**9
        begin_watch(self.parts.rawlog, self.parts.store)
        self.intake.start()
        self._delivery.start()
        self._events.start()
        self._tasks = [
            asyncio.create_task(self._worker.run(), name="worker"),
            asyncio.create_task(self._housekeeping(), name="housekeeping"),
            asyncio.create_task(self.reloading.run(), name="reloading"),
            asyncio.create_task(self.canaries.run(), name="canary watch"),
            asyncio.create_task(send_canaries(self.intake.append, self._clock, every_s), name="canaries"),
        ]
        try:
            for connector in self.connectors:
                await connector.start()
            if self._settings.http.enabled:
                await self._pages.start(self._settings.http.host, self._settings.http.port)
        except BaseException:
            await self.stop()
            raise
        active = self.reloading.active
        self._audit(
            "engine-started",
            {"bundle": active.bundle_hash, "rules": active.count, "settings": settings_hash(self._settings)},
        )
        _log.info("engine_started", rules=self.reloading.active.count, inputs=len(self.connectors))

    async def stop(self) -> None:
        """Stop taking, apply and deliver what was taken, and close."""
        for connector in self.connectors:
            await connector.stop()
        await self._pages.stop()
        await self.intake.stop()
        self._worker.stop()
        worker, *others = self._tasks
        for task in others:
            task.cancel()
        await asyncio.gather(worker, *others, return_exceptions=True)
        await self._delivery.stop()
        await self._events.stop()
        self._audit("engine-stopped", {})
        self.parts.store.set_position(WATCHED, self.parts.rawlog.frontier_ns())
        self.parts.close()
        _log.info("engine_stopped")

    async def drain(self) -> None:
        """Wait until all that was appended is applied under the present clock, and committed.

        Raises:
            Exception: What ended the worker, if it ended.
        """
        drained = asyncio.ensure_future(self._worker.drain())
        done, _ = await asyncio.wait({drained, self._tasks[0]}, return_when=asyncio.FIRST_COMPLETED)
        if drained not in done:
            drained.cancel()
            self._tasks[0].result()

    async def wait(self) -> None:
        """Wait until the worker ends, which it does only by `stop` or an error.

        Raises:
            Exception: What ended the worker.
        """
        await asyncio.shield(self._tasks[0])

    def health(self) -> dict[str, Any]:
        """Return what `/healthz` says; `status` is `ok`, or what is wrong."""
        alive = bool(self._tasks) and not self._tasks[0].done()
        down = [name for name, up in self._delivery.up.items() if not up]
        problems = [
            *(["worker ended"] if not alive else []),
            *([self.intake.problem] if self.intake.problem else []),
            *(f"sink {name} unavailable" for name in down),
            *self.canaries.problems(),
        ]
        return {
            "status": "ok" if not problems else "; ".join(problems),
            "rules": self.reloading.active.count,
            "bundle": self.reloading.active.bundle_hash,
            "rules_refused": self.reloading.refused,
            "lag": self._lag(),
            "sink_backlog": self._delivery.backlog(),
            "dead_letters": self.parts.store.count_dead_letters(),
            "canaries": self.canaries.report(),
        }

    def _audit(self, action: str, facts: Mapping[str, Fact]) -> None:
        record = AuditRecord(action, self._clock.now_ns(), socket.gethostname(), facts)
        self.parts.store.add_audit(audit_value(record))

    def _refresh(self) -> None:
        self.parts.context.refresh()
        self.parts.store.set_position(WATCHED, self.parts.rawlog.frontier_ns())

    def _lag(self) -> int:
        return max(self.parts.rawlog.end() - self.parts.driver.position, 0)

    def _progressed(self, progress: Progress) -> None:
        self.metrics.count(progress)

    def _committed(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            if is_test(alert.document):
                self.canaries.saw(alert.document)
        self._on_alerts([alert for alert in alerts if not is_test(alert.document)])
        self._delivery.wake()

    def look_at_filters(self) -> None:
        """Say which filters have expired since the last look."""
        self._filters.look(self.reloading.active)

    async def _housekeeping(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_PRUNE_S)
            self.metrics.lag.set(self._lag())
            self.metrics.sink_backlog.set(self._delivery.backlog())
            for name, up in self._delivery.up.items():
                self.metrics.sink_up.labels(name).set(up)
            self.look_at_filters()
            self._events.bound()
            self._worker.paused = self._delivery.backlog() > MAX_BACKLOG
            before_ns = self._clock.now_ns() - int(self._settings.retention.raw)
            await loop.run_in_executor(None, self.parts.rawlog.prune, self.parts.store.position(), before_ns)
