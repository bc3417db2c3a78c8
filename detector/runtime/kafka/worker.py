"""One worker: the tasks that the consumer groups give to this process, on one core."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from connectors.kafka.admin import administering
from connectors.kafka.client import client_arguments, start_client
from detector.rules.model import RuleSet
from detector.runtime.assembly import TaskMaker, read_rules
from detector.runtime.audit import AuditRecord, Fact, settings_hash
from detector.runtime.canary.watching import CanaryWatch
from detector.runtime.clock import Clock
from detector.runtime.filterwatch import FilterWatch, tell_filters
from detector.runtime.kafka.announcing import Announcer
from detector.runtime.kafka.app import StageApp, build_app
from detector.runtime.kafka.auditing import write_audit
from detector.runtime.kafka.canaries import follow_test_alerts
from detector.runtime.kafka.contextlog import ContextLog
from detector.runtime.kafka.deliver import DELIVER, AlertReceiver, Deliverer, build_deliverers
from detector.runtime.kafka.ends import Ends
from detector.runtime.kafka.heartbeat import ClockWatch, Heartbeat
from detector.runtime.kafka.metrics import WorkerMetrics
from detector.runtime.kafka.ownership import Ownership
from detector.runtime.kafka.rules import WorkerRules
from detector.runtime.kafka.stage import Stage, build_stages
from detector.runtime.kafka.surroundings import Surroundings
from detector.runtime.kafka.topicwatch import TopicWatch
from detector.runtime.kafka.transport import SESSION_S
from detector.runtime.kafka.watchdog import Watchdog
from detector.runtime.pages import StatusPages
from detector.runtime.topics.comparing import require_partitions
from detector.runtime.topics.declaring import declared_topics
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from normalizers.context.store import ContextStore
from normalizers.timestamps import format_utc

_log = structlog.get_logger(__name__)


class Worker:
    """Start it once, stop it once.

    Args:
        settings: With the section `kafka`.
        clock: Wall time.
        stages: Names of the stages that it takes part in.
        instance: Name of static membership, unique among the workers.
    """

    def __init__(self, settings: Settings, clock: Clock, stages: Sequence[str], instance: str | None = None) -> None:
        self._settings = settings
        self._kafka = kafka = settings.cluster()
        self._stages = tuple(stages)
        self._instance = instance
        self._name = instance or f"{socket.gethostname()}-{os.getpid()}"
        self._client = client_arguments(kafka.connection, self._name)
        self._clock = clock
        self._ends = Ends(self._client, clock)
        self._watch_topics = TopicWatch(kafka, declared_topics(settings, kafka))
        self._clocks = ClockWatch(kafka.partitions.raw)
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._beat_s = time.monotonic()
        self._apps: list[StageApp] = []
        self._background: list[asyncio.Task[None]] = []
        self._closing: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._deliverers: list[Deliverer] = []
        self._context: ContextLog | None = None
        self._watchdog: Watchdog | None = None
        self.ownerships: dict[str, Ownership] = {}
        self._canaries = CanaryWatch(settings, clock)
        self._filters = FilterWatch(clock)
        self.rules: WorkerRules | None = None
        self.metrics = WorkerMetrics(self.ownerships, self._canaries, settings.sources)
        self.pages = StatusPages(self.health, self.metrics.text)

    async def start(self) -> None:
        """Join the consumer groups.

        Raises:
            SourceUnavailableError: No broker can be used; says why.
            SettingsError: Rules or topics are not as they must be.
            OSError: The address of the pages is taken.
        """
        ruleset = read_rules(self._settings)
        if DELIVER in self._stages:
            self._deliverers = build_deliverers(self._settings, self._kafka)
        self._closing.append(self._ends.stop)
        await start_client(self._ends, self._kafka.connection)
        await self._check_topics()
        self._run("topics", self._watch_topics.run())
        store = ContextStore()
        rules = self.rules = WorkerRules(
            self._settings, ruleset, self._clock, self._stages_under(store), self.metrics, self._tell
        )
        self._context = await self._follow_context(store, rules, feeds="context" in rules.stages)
        around = Surroundings(
            self._client,
            self._clock,
            self._context.admit,
            self.metrics.tasks.took,
            self._ends,
            self._watch_topics,
            rules.bundles,
        )
        self._apps = [self._app(stage, around) for name, stage in rules.stages.items() if name in self._stages]
        await asyncio.gather(*(app.start() for app in self._apps))
        for deliverer in self._deliverers:
            self._run(f"sink {deliverer.receiver.name}", deliverer.run())
        self._run("filters", self._filters.run(lambda: rules.reloading.active))
        self._run("reloading", rules.reloading.run())
        announcer = Announcer(self._client, TopicNames(self._kafka.prefix).context, rules.bundles, self._clock)
        self._run("announcing", announcer.run(leads=self._writes_alerts, ahead_ns=rules.ahead_ns))
        await self._watch()
        facts: dict[str, Fact] = {"bundle": ruleset.bundle_hash, "rules": ruleset.count, "stages": self._stages}
        await self._audit("worker-started", {**facts, "settings": settings_hash(self._settings)})
        _log.info("worker_started", stages=self._stages, rules=ruleset.count)

    async def wait(self) -> None:
        """Wait until something fails that no retry can mend.

        Raises:
            DetectorError: What it was.
        """
        await self._failed

    async def stop(self) -> None:
        """Commit what was applied, hand over, and leave the groups."""
        if self._watchdog is not None:  # it had started
            await self._audit("worker-stopped", {})
        closing = [each.close(timeout_s=SESSION_S) for each in self.ownerships.values()]
        await asyncio.gather(*closing, return_exceptions=True)
        for app in self._apps:
            await app.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._watchdog is not None:
            self._watchdog.stop()
        for close in reversed(self._closing):
            await close()
        _log.info("worker_stopped")

    def health(self) -> dict[str, Any]:
        """Return what `/healthz` says; `status` is `ok`, or what is wrong."""
        report = self.report()
        opening = [name for name, each in self.ownerships.items() if len(each.lives) < len(each.partitions)]
        held = [problem for each in self.ownerships.values() for problem in each.problems.values()]
        problems = [
            *dict.fromkeys([*self._watch_topics.faults.values(), *held]),
            *(f"{name} is being taken over" for name in opening),
            *(["context stands still"] if report["context_behind"] else []),
            *([] if self.rules is None else self.rules.problems()),
            *(f"raw partition {each} has no worker" for each in self._unworked()),
            *(f"sink {name} unavailable" for name, each in self._sinks().items() if not each["up"]),
            *self._canaries.problems(),
        ]
        return {"status": "; ".join(problems) or "ok", **report}

    def report(self) -> dict[str, object]:
        """Return what the heartbeat says."""
        return {
            "@timestamp": format_utc(self._clock.now_ns()),
            "worker": self._name,
            **({} if self.rules is None else self.rules.report(self.ownerships)),
            "stages": {
                name: {
                    "partitions": each.partitions,
                    "open": sorted(each.lives),
                    "records": each.records,
                    "lost": each.lost,
                    "lag": sum(each.lag().values()),
                }
                for name, each in self.ownerships.items()
            },
            "raw_partitions_without_worker": self._unworked(),
            "topics_lost": sorted(self._watch_topics.faults),
            "context_behind": self._context is not None and self._context.is_behind,
            "canaries": self._canaries.report(),
            "sinks": self._sinks(),
        }

    def _sinks(self) -> dict[str, dict[str, object]]:
        receivers = (each.receiver for each in self._deliverers)
        return {each.name: each.report() for each in receivers if isinstance(each, AlertReceiver)}

    def _urgent(self) -> object:
        return self._unworked(), list(self._canaries.overdue())

    def _unworked(self) -> list[int]:
        """Return raw partitions without a worker, as far as this one can tell: it hears clocks when it correlates."""
        correlate = self.ownerships.get("correlate")
        return self._clocks.silent() if correlate is not None and correlate.lives else []

    def reload(self) -> None:
        """Read the rules on disk now, as SIGHUP asks."""
        if self.rules is not None:
            self.rules.reloading.ask()

    def _writes_alerts(self) -> bool:
        """Return whether this worker has the one task that does: it speaks for all when rules change."""
        group = self.ownerships.get("group")
        return group is not None and bool(group.lives)

    def _stages_under(self, store: ContextStore) -> Callable[[RuleSet], dict[str, Stage]]:
        def build(ruleset: RuleSet) -> dict[str, Stage]:
            tell_filters(ruleset, self._clock.now_ns())
            maker = TaskMaker(self._settings, ruleset, store, raw_partitions=self._kafka.partitions.raw)
            stages = build_stages(self._settings, self._kafka, ruleset, maker)
            listening = self._clocks.listening(stages["correlate"].decode)
            stages["correlate"] = msgspec.structs.replace(stages["correlate"], decode=listening)
            return stages

        return build

    async def _follow_context(self, store: ContextStore, rules: WorkerRules, *, feeds: bool) -> ContextLog:
        feeding = range(self._kafka.partitions.raw if feeds else 0)
        topic, start_s = TopicNames(self._kafka.prefix).context, self._settings.max_wait / 10**9
        context = ContextLog(self._client, topic, self._ends, self._clock, store, feeding, start_s, rules.bundles.hear)
        self._closing.append(context.stop)
        await context.start()
        self._run("context", context.run())
        return context

    async def _watch(self) -> None:
        names = TopicNames(self._kafka.prefix)
        heartbeat = Heartbeat(self._client, names.heartbeat, self._name, self.report, self._urgent)
        self._run("heartbeat", heartbeat.run())
        self._run("beat", self._beat())
        self._run("canary watch", self._canaries.run())
        self._run("test alerts", follow_test_alerts(self._client, names.test_alerts, self._canaries.saw))
        signs = {name: each.alive_s for name, each in self.ownerships.items()}
        self._watchdog = Watchdog({**signs, "the event loop": lambda: self._beat_s})
        self._watchdog.start()
        if self._settings.http.enabled:
            self._closing.append(self.pages.stop)
            await self.pages.start(self._settings.http.host, self._settings.http.port)

    def _tell(self, action: str, facts: Mapping[str, Fact]) -> None:
        self._run(action, self._audit(action, facts))

    async def _audit(self, action: str, facts: Mapping[str, Fact]) -> None:
        record = AuditRecord(action, self._clock.now_ns(), self._name, facts)
        await write_audit(self._client, TopicNames(self._kafka.prefix), record)

    async def _beat(self) -> None:
        while True:
            self._beat_s = time.monotonic()
            await asyncio.sleep(1)

    def _run(self, name: str, service: Coroutine[Any, Any, None]) -> None:
        """Run something until the worker stops; if it fails, so does the worker."""
        task = asyncio.create_task(service, name=name)
        task.add_done_callback(self._ended)
        self._background.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _app(self, stage: Stage, around: Surroundings) -> StageApp:
        if stage.name == "context":
            around = msgspec.structs.replace(around, admit=None)  # the others wait for it, it for nobody
        elif stage.name == "group" and around.bundles is not None:
            around = msgspec.structs.replace(around, admit=around.bundles.admit)
        ownership = self.ownerships[stage.name] = Ownership(
            stage, around, checkpoint_s=self._settings.checkpoint / 10**9, on_failure=self._fail
        )
        app = build_app(ownership, self._client, self._ends, instance=self._instance)
        app.finalize()
        return app

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def _check_topics(self) -> None:
        """Refuse topics whose partitions are not those of the settings: tasks and keys would not fit together."""
        declared = declared_topics(self._settings, self._kafka)
        async with administering(self._kafka.connection) as admin:
            require_partitions(declared, await admin.read({topic.name for topic in declared}, configs=False))
