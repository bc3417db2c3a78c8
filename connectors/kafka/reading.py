"""Reads topics of others into the raw log, each record once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from connectors.errors import DocumentRejectedError, SourceUnavailableError
from connectors.intake import Intake
from connectors.kafka.admin import administering
from connectors.kafka.client import client_arguments, start_client
from connectors.kafka.documents import TopicReader, UntrustedTimeError
from connectors.kafka.refusals import explain_error
from connectors.kafka.settings import KafkaTopics
from connectors.reading_task import ReadingTask
from connectors.record import Document

BATCH = 2_000
"""Records put at once; the next are taken when these are durable."""

RETRY_S = 5.0
"""After a failure the input is opened anew, from where the raw log says it stands."""

LOOK_AROUND_S = 60.0
"""How often to look for topics and partitions that were added."""

FETCH_BYTES = 8 << 20
"""What the client reads ahead; a larger record still comes, alone."""

_KEPT = 64 << 10
"""Bytes of a rejected record that are kept."""

_log = structlog.get_logger(__name__)


class KafkaConnector:
    """Puts the records of all partitions, each partition in order.

    Partitions are taken by number and not by a consumer group: the raw log knows how far each was read, in the same
    transaction as the records, which no offset kept by Kafka could be.
    """

    def __init__(self, settings: KafkaTopics, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._arguments = client_arguments(settings.connection, "isthmus-input")
        self._topics = {topic.name: topic for topic in settings.topics}
        self._reading = ReadingTask()
        self._told: str = ""

    async def start(self) -> None:
        """Begin to read; brokers and topics may appear later."""
        self._reading.start(self._run(), f"kafka {', '.join(self._topics)}")

    async def stop(self) -> None:
        """Stop reading."""
        await self._reading.stop()

    async def _run(self) -> None:
        while True:
            try:
                await self._read()
            except (SourceUnavailableError, KafkaError, TimeoutError) as error:
                self._tell(explain_error(error))
            await asyncio.sleep(RETRY_S)

    def _tell(self, problem: str) -> None:
        """Say what is wrong once, not at each attempt."""
        if problem != self._told:
            self._told = problem
            _log.error("kafka_not_read", topics=sorted(self._topics), error=problem)

    async def _read(self) -> None:
        """Read until the set of partitions changes."""
        readers = await self._readers()
        consumer = AIOKafkaConsumer(
            **self._arguments,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=FETCH_BYTES,
        )
        try:
            await start_client(consumer, self._settings.connection)
            consumer.assign(list(readers))
            await self._seek(consumer, readers)
            await self._follow(consumer, readers)
        finally:
            await consumer.stop()

    async def _readers(self) -> dict[TopicPartition, TopicReader]:
        async with administering(self._settings.connection) as admin:
            cluster = await admin.cluster_id()
            found = await admin.read(self._topics.keys(), configs=False)
        missing = sorted(self._topics.keys() - found.keys())
        if not found:
            raise SourceUnavailableError(f"no topic {', '.join(missing)}, or we may not see it")
        if missing:
            self._tell(f"no topic {', '.join(missing)}, or we may not see it; the others are read")
        return {
            TopicPartition(name, partition): TopicReader(self._settings, self._topics[name], cluster, partition)
            for name, topic in sorted(found.items())
            for partition in range(topic.partitions)
        }

    async def _seek(self, consumer: AIOKafkaConsumer, readers: dict[TopicPartition, TopicReader]) -> None:
        """Go where the raw log says that each partition was left."""
        first = await consumer.beginning_offsets(list(readers))
        end = await consumer.end_offsets(list(readers))
        for place, reader in list(readers.items()):
            position = self._intake.position_of(reader.input)
            if position is None:
                position = first[place] if self._settings.start == "earliest" else end[place]
            if position > end[place]:
                self._tell(
                    f"{place.topic}/{place.partition} ends at {end[place]}, and we had read up to {position}: the topic"
                    " was made anew; raise its `era`"
                )
                consumer.seek(place, end[place])
                _pass_over(consumer, readers, place)
                continue
            if position < first[place]:
                _log.error("records_lost", input=reader.input, first=position, next=first[place])
            consumer.seek(place, max(position, first[place]))

    async def _follow(self, consumer: AIOKafkaConsumer, readers: dict[TopicPartition, TopicReader]) -> None:
        loop = asyncio.get_running_loop()
        looked_s = loop.time()
        while readers:
            try:
                fetched = await consumer.getmany(*readers, timeout_ms=1_000, max_records=BATCH)
            except OffsetOutOfRangeError as error:
                raise SourceUnavailableError(f"records went before they were read: {error}") from error
            if fetched:
                refused = await self._put([(readers[place], records) for place, records in sorted(fetched.items())])
                for reader in refused:
                    _pass_over(consumer, readers, TopicPartition(reader.topic.name, reader.partition))
                self._told = self._told if refused else ""
            if loop.time() - looked_s >= LOOK_AROUND_S:
                looked_s = loop.time()
                if (await self._readers()).keys() - consumer.assignment():
                    return

    async def _put(self, fetched: Sequence[tuple[TopicReader, Sequence[ConsumerRecord]]]) -> list[TopicReader]:
        """Put the documents of records; returns the readers that cannot go on with their partition."""
        documents = list[Document]()
        refused = list[TopicReader]()
        for reader, records in fetched:
            try:
                for record in records:
                    documents += await self._document(reader, record)
            except UntrustedTimeError as error:
                self._tell(str(error))
                refused.append(reader)
        if documents:
            await self._intake.put(documents)
        return refused

    async def _document(self, reader: TopicReader, record: ConsumerRecord) -> list[Document]:
        if record.value is None:
            return []  # in a compacted topic it says that a key has gone
        try:
            return [reader.document(record)]
        except DocumentRejectedError as error:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            topic = reader.topic
            await self._intake.reject(topic.source, topic.dataset, record.value[:_KEPT], f"{place}: {error}")
            return []


def _pass_over(consumer: AIOKafkaConsumer, readers: dict[TopicPartition, TopicReader], place: TopicPartition) -> None:
    """Read on without one partition, until the input is opened anew."""
    consumer.pause(place)
    del readers[place]
