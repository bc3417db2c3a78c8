"""What the sense tasks on Kafka have committed of clocks, for whoever asks from outside."""

from __future__ import annotations

from collections.abc import Callable

from aiokafka import TopicPartition

from connectors.kafka.admin import administering
from connectors.kafka.client import client_arguments
from detector.runtime.kafka.lookback import reading, records_of
from detector.runtime.stages.clocks import KEY, read_clocks
from detector.runtime.topics.comparing import require_partitions
from detector.runtime.topics.declaring import declared_topics
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from normalizers.clock.state import StoredClock


async def stored_clocks(settings: Settings, on_partition: Callable[[int, int], None]) -> dict[str, StoredClock]:
    """Read the clocks of all raw partitions, as last committed; nothing else of the state is kept in memory.

    Args:
        settings: With the section `kafka`.
        on_partition: Called before each partition is read, with its number and how many there are.

    Raises:
        SourceUnavailableError: The cluster cannot be used.
        SettingsError: It has no such topic, or one of another shape.
        StateError: What is there was written by another version.
    """
    kafka = settings.cluster()
    client, topic = client_arguments(kafka.connection, "clock"), TopicNames(kafka.prefix).state("sense")
    async with administering(kafka.connection) as admin:
        declared = [each for each in declared_topics(settings, kafka) if each.name == topic]
        require_partitions(declared, await admin.read({topic}, configs=False))
    found = dict[str, StoredClock]()
    for partition in range(kafka.partitions.raw):
        on_partition(partition, kafka.partitions.raw)
        place, entries = TopicPartition(topic, partition), dict[bytes, bytes]()
        async with reading(kafka.connection, client, place) as (reader, begin, end):
            async for record in records_of(reader, place, begin, end):
                key = record.key or b""
                if not key.startswith(KEY):
                    continue
                if record.value is None:
                    entries.pop(key, None)
                else:
                    entries[key] = record.value
        found |= read_clocks(entries.items())
    return found
