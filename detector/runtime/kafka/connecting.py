"""The inputs of the settings, on their way into the raw log on Kafka."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping

import structlog

from connectors.intake import Connector
from connectors.kafka.admin import administering
from connectors.kafka.client import client_arguments
from connectors.table import build_connector
from detector.runtime.audit import AuditRecord, Fact, settings_hash
from detector.runtime.canary.sending import send_canaries
from detector.runtime.clock import Clock
from detector.runtime.embedded.intake import BatchingIntake
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import EngineStore
from detector.runtime.kafka.auditing import write_audit
from detector.runtime.kafka.forwarding import Forwarder
from detector.runtime.kafka.quiet import quieten
from detector.runtime.topics.comparing import require_partitions
from detector.runtime.topics.declaring import declared_topics
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings

FOLDER = "connect"
"""Under `data_dir`: the log on disk, apart from that of the embedded engine."""

_LOG_ID = "log_id"
_log = structlog.get_logger(__name__)


class Connecting:
    """Takes records into a log on disk, acknowledges them, and forwards them; start it once, stop it once.

    Args:
        settings: With inputs and the section `kafka`.
        clock: Wall time.
        instance: Name of this connector, unique and lasting, such as the host's.

    Raises:
        SettingsError: There is no section `kafka`.
        ConnectorSettingsError: A certificate or secret cannot be read.
    """

    def __init__(self, settings: Settings, clock: Clock, instance: str) -> None:
        self._settings, self._kafka = settings, settings.cluster()
        self._clock = clock
        self._client = client = client_arguments(self._kafka.connection, f"{self._kafka.prefix}-connect-{instance}")
        folder = settings.data_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self._rawlog = RawLog(folder / "raw.db", clock, partitions=1, durable=settings.durable)
        self._store = EngineStore(folder / "engine.db", durable=settings.durable)
        self._forwarder = Forwarder(
            self._rawlog, self._store, self._kafka, client, instance=instance, log_id=_log_id(self._store)
        )
        self._intake = BatchingIntake(
            self._rawlog,
            clock,
            self._store.add_dead_letters,
            datasets={name: each.dataset for name, each in settings.sources.items() if each.dataset},
            on_append=self._forwarder.wake,
        )
        self.connectors: list[Connector] = [build_connector(each, self._intake) for each in settings.inputs]
        self._forwarding: asyncio.Task[None] | None = None
        self._canaries: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Check the topics, then start every input.

        Raises:
            SourceUnavailableError: No broker can be used; says why.
            SettingsError: Topics are not as they must be.
            OSError: An address is taken or not ours.
        """
        quieten()
        await self._check_topics()
        self._intake.start()
        self._forwarding = asyncio.create_task(self._forwarder.run(), name="forwarding")
        every_s = self._settings.canary.every / 10**9
        self._canaries = asyncio.create_task(send_canaries(self._intake.append, self._clock, every_s), name="canaries")
        for connector in self.connectors:
            await connector.start()
        facts: dict[str, Fact] = {"inputs": len(self.connectors), "settings": settings_hash(self._settings)}
        await self._audit("connector-started", facts)
        _log.info("connectors_started", inputs=len(self.connectors))

    async def wait(self) -> None:
        """Wait until forwarding ends, which it does only by `stop` or an error that no retry can mend.

        Raises:
            StateError: Another connector has started under this one's name.
        """
        if self._forwarding is not None:
            await asyncio.shield(self._forwarding)

    async def stop(self) -> None:
        """Stop taking; what was not forwarded yet is kept for the next start."""
        for connector in self.connectors:
            await connector.stop()
        if self._canaries is not None:
            self._canaries.cancel()
        if self._forwarding is not None:
            await self._intake.stop()
            self._forwarding.cancel()
            await asyncio.gather(self._forwarding, return_exceptions=True)
            await self._audit("connector-stopped", {})
        self._rawlog.close()
        self._store.close()
        _log.info("connectors_stopped")

    async def _audit(self, action: str, facts: Mapping[str, Fact]) -> None:
        record = AuditRecord(action, self._clock.now_ns(), str(self._client["client_id"]), facts)
        await write_audit(self._client, TopicNames(self._kafka.prefix), record)

    async def _check_topics(self) -> None:
        names = TopicNames(self._kafka.prefix)
        written = {names.raw, names.dead_letters}
        declared = [topic for topic in declared_topics(self._settings, self._kafka) if topic.name in written]
        async with administering(self._kafka.connection) as admin:
            require_partitions(declared, await admin.read({topic.name for topic in declared}, configs=False))


def _log_id(store: EngineStore) -> int:
    """Return the id of the log on disk, drawn once: offsets of another log are not those of this one."""
    log_id = store.position(_LOG_ID)
    if not log_id:
        log_id = secrets.randbits(62) | 1
        store.set_position(_LOG_ID, log_id)
    return log_id
