"""The inputs of the settings, on their way into the raw log on Kafka."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

import structlog

from connectors.errors import SourceUnavailableError
from connectors.intake import Connector
from connectors.kafka.client import client_arguments
from connectors.table import build_connector
from detector.runtime.audit import AuditRecord, Fact, settings_hash
from detector.runtime.canary.sending import send_canaries
from detector.runtime.clock import Clock
from detector.runtime.embedded.intake import BatchingIntake
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import EngineStore
from detector.runtime.kafka.auditing import write_audit
from detector.runtime.kafka.connectmetrics import ConnectMetrics
from detector.runtime.kafka.forwarding import Forwarder
from detector.runtime.pages import StatusPages
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings

FOLDER = "connect"
"""Under `data_dir`: the log on disk, apart from that of the embedded engine."""

_LETTERS_SHARE = 10
"""Rejected messages that wait for the brokers may take up a tenth of what records may."""

_LOG_ID, _STARTED = "log_id", "started"
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
        limit_bytes, durable = self._kafka.buffer_bytes, settings.durable
        self._rawlog = RawLog(folder / "raw.db", clock, partitions=1, durable=durable, max_bytes=limit_bytes)
        self._store = EngineStore(folder / "engine.db", durable=durable, max_bytes=limit_bytes // _LETTERS_SHARE)
        self._forwarder = Forwarder(
            self._rawlog, self._store, settings, client, instance=instance, log_id=_log_id(self._store)
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
        self.pages = StatusPages(self.health, ConnectMetrics(self._rawlog, self._forwarder, limit_bytes).text)

    async def start(self) -> None:
        """Check the topics, then start every input; brokers that are away are waited for if they were there before.

        Raises:
            SourceUnavailableError: No broker can be used, and none ever could; says why.
            SettingsError: Topics are not as they must be.
            OSError: An address is taken or not ours.
        """
        await self._begin()
        self._intake.start()
        self._forwarding = asyncio.create_task(self._forwarder.run(), name="forwarding")
        every_s = self._settings.canary.every / 10**9
        self._canaries = asyncio.create_task(send_canaries(self._intake.append, self._clock, every_s), name="canaries")
        for connector in self.connectors:
            await connector.start()
        if self._settings.http.enabled:
            await self.pages.start(self._settings.http.host, self._settings.http.port)
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
        await self.pages.stop()
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

    def health(self) -> dict[str, Any]:
        """Return what `/healthz` says; `status` is `ok`, or what is wrong."""
        problems = [each for each in (self._intake.problem, self._forwarder.problem) if each]
        return {
            "status": "; ".join(problems) or "ok",
            "inputs": len(self.connectors),
            "waiting": self._rawlog.length(),
            "forwarded": self._forwarder.forwarded,
            "log_bytes": self._rawlog.used_bytes(),
            "log_limit_bytes": self._kafka.buffer_bytes,
        }

    async def _begin(self) -> None:
        try:
            await self._forwarder.check_topics()
        except SourceUnavailableError as error:
            # After a crash in an outage inputs are needed most; the forwarder looks again before it sends anything.
            if not self._store.position(_STARTED):
                raise
            _log.error("brokers_unavailable", error=str(error))
        else:
            self._store.set_position(_STARTED, 1)


def _log_id(store: EngineStore) -> int:
    """Return the id of the log on disk, drawn once: offsets of another log are not those of this one."""
    log_id = store.position(_LOG_ID)
    if not log_id:
        log_id = secrets.randbits(62) | 1
        store.set_position(_LOG_ID, log_id)
    return log_id
