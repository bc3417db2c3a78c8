"""One worker: the tasks that the consumer groups give to this process, on one core."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from connectors.kafka.admin import administering
from connectors.kafka.client import client_arguments, start_client
from detector.alerting.sinks.table import build_sink
from detector.errors import SettingsError
from detector.runtime.assembly import TaskMaker, read_rules
from detector.runtime.clock import Clock
from detector.runtime.kafka.app import StageApp, build_app
from detector.runtime.kafka.deliver import DELIVER, Deliverer
from detector.runtime.kafka.ends import Ends
from detector.runtime.kafka.ownership import Ownership
from detector.runtime.kafka.quiet import quieten
from detector.runtime.kafka.stage import Stage, build_stages
from detector.runtime.kafka.transport import SESSION_S
from detector.runtime.topics.declaring import declared_topics
from detector.settings import KafkaSettings, Settings
from normalizers.context.store import ContextStore

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
        self._kafka = kafka = _kafka(settings)
        self._names = tuple(stages)
        self._instance = instance
        self._client = client_arguments(kafka.connection, instance or f"{kafka.prefix}-worker")
        self._clock = clock
        self._ends = Ends(self._client, clock)
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._apps: list[StageApp] = []
        self._delivering: list[asyncio.Task[None]] = []
        self.ownerships: dict[str, Ownership] = {}

    async def start(self) -> None:
        """Join the consumer groups.

        Raises:
            SourceUnavailableError: No broker can be used; says why.
            SettingsError: Rules or topics are not as they must be.
        """
        quieten()
        ruleset = read_rules(self._settings)
        deliverers = self._deliverers() if DELIVER in self._names else []
        await start_client(self._ends, self._kafka.connection)
        await self._check_topics()
        context = ContextStore()
        maker = TaskMaker(self._settings, ruleset, context, raw_partitions=self._kafka.partitions.raw)
        stages = build_stages(self._settings, self._kafka, ruleset, maker)
        self._apps = [self._app(stages[name]) for name in self._names if name != DELIVER]
        await asyncio.gather(*(app.start() for app in self._apps))
        for deliverer in deliverers:
            task = asyncio.create_task(deliverer.run(), name=f"sink {deliverer.handover.name}")
            task.add_done_callback(self._ended)
            self._delivering.append(task)
        _log.info("worker_started", stages=self._names, rules=len(ruleset.rules) + len(ruleset.correlations))

    async def wait(self) -> None:
        """Wait until something fails that no retry can mend.

        Raises:
            DetectorError: What it was.
        """
        await self._failed

    async def stop(self) -> None:
        """Commit what was applied, hand over, and leave the groups."""
        for task in self._delivering:
            task.cancel()
        await asyncio.gather(*self._delivering, return_exceptions=True)
        closing = [each.close(timeout_s=SESSION_S) for each in self.ownerships.values()]
        await asyncio.gather(*closing, return_exceptions=True)
        for app in self._apps:
            await app.stop()
        await self._ends.stop()
        _log.info("worker_stopped")

    def _deliverers(self) -> list[Deliverer]:
        names = [sink.name for sink in self._settings.sinks]
        if len(set(names)) < len(names):
            raise SettingsError(f"sinks {', '.join(names)}: each needs a name of its own; it names the consumer group")
        return [Deliverer(sink.name, build_sink(sink), self._kafka) for sink in self._settings.sinks]

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _app(self, stage: Stage) -> StageApp:
        ownership = self.ownerships[stage.name] = Ownership(
            stage,
            self._client,
            self._clock,
            checkpoint_s=self._settings.checkpoint / 10**9,
            on_failure=self._fail,
        )
        ends = self._ends if stage.name == "sense" else None
        app = build_app(ownership, self._client, ends=ends, instance=self._instance)
        app.finalize()
        return app

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def _check_topics(self) -> None:
        """Refuse topics whose partitions are not those of the settings: tasks and keys would not fit together."""
        declared = {topic.name: topic for topic in declared_topics(self._settings, self._kafka)}
        async with administering(self._kafka.connection) as admin:
            found = await admin.read(declared, configs=False)
        for name, topic in declared.items():
            count = found[name].partitions if name in found else 0
            if count != topic.partitions:
                has = f"has {count} partitions" if count else "does not exist"
                raise SettingsError(
                    f"topic {name} {has}, and is to have {topic.partitions}; see `isthmus topics check`"
                )


def _kafka(settings: Settings) -> KafkaSettings:
    if settings.kafka is None:
        raise SettingsError("the settings have no section `kafka`: where is the cluster?")
    return settings.kafka
