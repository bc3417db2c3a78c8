"""From the log that a connector keeps on its own disk into the raw log on Kafka, each record once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from connectors.errors import SourceUnavailableError
from connectors.kafka.client import start_client
from detector.errors import StateError
from detector.kafkasettings import KafkaSettings
from detector.runtime.embedded.rawlog import LoggedRecord, RawLog
from detector.runtime.embedded.store import EngineStore
from detector.runtime.kafka.life import MAX_RECORD_BYTES
from detector.runtime.kafka.outgoing import Outgoing, dead_letter, raw_record
from detector.runtime.kafka.transaction import TIMEOUT_S, Reached, commit, discard, make_producer
from detector.runtime.topics.names import TopicNames
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
        kafka: Where to.
        client: Arguments for clients of the brokers.
        instance: Name of the connector; whoever starts under it fences the one before.
        log_id: Of `rawlog`: another log counts from the beginning.
    """

    def __init__(  # noqa: PLR0913  what lies between two logs
        self,
        rawlog: RawLog,
        store: EngineStore,
        kafka: KafkaSettings,
        client: Mapping[str, Any],
        *,
        instance: str,
        log_id: int,
    ) -> None:
        self._rawlog, self._store = rawlog, store
        self._kafka, self._client = kafka, client
        self._names = TopicNames(kafka.prefix)
        self._id = self._names.connector(instance)
        self._group = f"{self._id}-{log_id:x}"
        self._place = TopicPartition(self._names.raw, 0)
        self._appended = asyncio.Event()
        self._told = False

    def wake(self, _count: int = 0) -> None:
        """Tell that something was appended; call it on the event loop's thread."""
        self._appended.set()

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
            except (KafkaError, SourceUnavailableError, TimeoutError) as error:
                if not self._told:
                    _log.warning("forwarding_interrupted", error=str(error) or repr(error))
                self._told = True
            await asyncio.sleep(RETRY_S)

    async def _forward(self) -> None:
        producer = make_producer(self._client, self._id)
        try:
            await start_client(producer, self._kafka.connection)
            # Only now: what the connector before had under way is decided by the start of this producer.
            position = await self._committed()
            while True:
                self._appended.clear()
                position = await self._pass_on(producer, position)
                if self._told:
                    _log.info("forwarding_resumed")
                    self._told = False
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
            self._store.set_position(_LETTERS, letters[-1].seq)
        await asyncio.to_thread(self._rawlog.prune, position, 2**62)
        return position

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._appended.wait(), _IDLE_S)
        except TimeoutError:
            return

    async def _committed(self) -> int:
        consumer = AIOKafkaConsumer(**self._client, group_id=self._group, enable_auto_commit=False)
        try:
            await consumer.start()
            return int(await consumer.committed(self._place) or 0)
        finally:
            await consumer.stop()

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
