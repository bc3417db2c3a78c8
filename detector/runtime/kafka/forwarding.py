"""From the log that a connector keeps on its own disk into the raw log on Kafka, each record once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from connectors.errors import SourceUnavailableError
from connectors.kafka.admin import administering
from connectors.kafka.client import start_client
from connectors.kafka.refusals import explain_error
from detector.errors import SettingsError, StateError
from detector.runtime.embedded.rawlog import LoggedRecord, RawLog
from detector.runtime.embedded.store import EngineStore
from detector.runtime.kafka.life import MAX_RECORD_BYTES
from detector.runtime.kafka.outgoing import Outgoing, dead_letter, raw_record
from detector.runtime.kafka.transaction import TIMEOUT_S, Reached, commit, discard, make_producer, offset_reached
from detector.runtime.topics.comparing import require_partitions
from detector.runtime.topics.declaring import declared_topics
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from detector.task import DeadLetter

BATCH = 2_000
"""Records of one transaction."""

RETRY_S = 5.0
_IDLE_S = 1.0
_KEPT = 64 << 10
_LETTERS = "forwarded_letters"

_log = structlog.get_logger(__name__)


class Forwarder:
    """Sends what was appended, in order, and remembers on Kafka how far it came, in the same transaction.

    Args:
        rawlog: What the inputs took.
        store: Holds dead letters of the inputs.
        settings: With the section `kafka`: where to.
        client: Arguments for clients of the brokers.
        instance: Name of the connector; whoever starts under it fences the one before.
        log_id: Of `rawlog`: another log counts from the beginning.

    Attributes:
        forwarded: Records that Kafka has taken since the start.
        problem: Why nothing can be forwarded now; empty while all is well.
    """

    def __init__(  # noqa: PLR0913  what lies between two logs
        self,
        rawlog: RawLog,
        store: EngineStore,
        settings: Settings,
        client: Mapping[str, Any],
        *,
        instance: str,
        log_id: int,
    ) -> None:
        self._rawlog, self._store = rawlog, store
        self._settings, self._client = settings, client
        self._kafka = kafka = settings.cluster()
        self._names = TopicNames(kafka.prefix)
        self._id = self._names.connector(instance)
        self._group = f"{self._id}-{log_id:x}"
        self._place = TopicPartition(self._names.raw, 0)
        self._appended = asyncio.Event()
        self.forwarded = 0
        self.problem = ""

    def wake(self, _count: int = 0) -> None:
        """Tell that something was appended; call it on the event loop's thread."""
        self._appended.set()

    async def check_topics(self) -> None:
        """Refuse topics that are not as the settings say: sources would go to partitions that do not know them.

        Raises:
            SettingsError: Names them, and says what to do.
            SourceUnavailableError: No broker can be asked.
        """
        written = {self._names.raw, self._names.dead_letters}
        declared = [topic for topic in declared_topics(self._settings, self._kafka) if topic.name in written]
        async with administering(self._kafka.connection) as admin:
            require_partitions(declared, await admin.read(written, configs=False))

    async def run(self) -> None:
        """Forward until cancelled; while the brokers are away, the log on disk grows.

        Raises:
            StateError: Another connector has started under this one's name.
        """
        while True:
            try:
                await self._forward()
            except ProducerFenced as error:
                raise StateError(f"another connector has started as {self._id}; give each a name of its own") from error
            except (KafkaError, SourceUnavailableError, TimeoutError, sqlite3.OperationalError) as error:
                self._tell(explain_error(error))
            except SettingsError as error:  # a topic was deleted or replaced under us
                self._tell(str(error))
            await asyncio.sleep(RETRY_S)

    def _tell(self, problem: str) -> None:
        """Say what is wrong once, not at each attempt."""
        if problem != self.problem:
            _log.error("forwarding_interrupted", error=problem, waiting=self._rawlog.length())
        self.problem = problem

    async def _forward(self) -> None:
        await self.check_topics()
        producer = make_producer(self._client, self._id)
        try:
            await start_client(producer, self._kafka.connection)
            # Only now: what the connector before had under way is decided by the start of this producer.
            position = await offset_reached(self._client, self._group, self._place) or 0
            while True:
                self._appended.clear()
                position = await self._pass_on(producer, position)
                if self.problem:
                    _log.info("forwarding_resumed")
                    self.problem = ""
        finally:
            await discard(producer)

    async def _pass_on(self, producer: AIOKafkaProducer, position: int) -> int:
        batch = await asyncio.to_thread(self._rawlog.read, position, BATCH)
        letters = self._store.dead_letters_after(self._store.position(_LETTERS), BATCH)
        if not batch and not letters:
            await self._rest()
            return position
        position = batch[-1].offset if batch else position
        records = [*map(self._outgoing, batch), *(dead_letter(self._names, each.letter) for each in letters)]
        reached = Reached(self._group, self._place, position)
        await asyncio.wait_for(commit(producer, records, "connect", reached), TIMEOUT_S)
        if letters:
            # A crash before this sends them again: a dead letter that comes twice has the same id.
            self._store.forget_dead_letters(letters[-1].seq, _LETTERS)
        self.forwarded += len(batch)
        await asyncio.to_thread(self._rawlog.prune, position, 2**62)
        return position

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._appended.wait(), _IDLE_S)
        except TimeoutError:
            return

    def _outgoing(self, logged: LoggedRecord) -> Outgoing:
        entry = logged.entry
        record = entry.record
        if len(record.value) > MAX_RECORD_BYTES:
            # The topic would never take it, nor anything after it.
            return dead_letter(
                self._names,
                DeadLetter(
                    id=record.id,
                    stage="connector",
                    source=record.source,
                    dataset=record.dataset,
                    received_ns=record.received_ns,
                    error=f"larger than {MAX_RECORD_BYTES} bytes, the most that the raw log takes",
                    value=record.value[:_KEPT],
                ),
            )
        place = None if entry.input is None or entry.position is None else (entry.input, entry.position)
        return raw_record(self._names, record, self._kafka.partitions.raw, place)
