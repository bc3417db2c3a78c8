"""Looking at what is committed in a topic, from outside and once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.errors import SourceUnavailableError
from connectors.kafka.client import start_client
from connectors.kafka.refusals import explain_error
from connectors.kafka.settings import KafkaConnection
from detector.runtime.kafka.wire import KafkaRecord

_STALLED_S = 20.0
"""A reader that comes no further for so long will not."""


@asynccontextmanager
async def reading(
    connection: KafkaConnection, client: Mapping[str, Any], place: TopicPartition
) -> AsyncIterator[tuple[AIOKafkaConsumer, int, int]]:
    """Yield a reader of a partition, and where it begins and ends.

    Raises:
        SourceUnavailableError: No broker can be used, or it does not let us read.
    """
    reader = AIOKafkaConsumer(**client, isolation_level="read_committed", enable_auto_commit=False)
    try:
        await start_client(reader, connection)
        reader.assign([place])
        begin = (await reader.beginning_offsets([place]))[place]
        yield reader, begin, (await reader.end_offsets([place]))[place]
    except KafkaError as error:
        raise SourceUnavailableError(f"kafka: {place.topic}: {explain_error(error)}") from error
    finally:
        await reader.stop()


async def records_of(
    reader: AIOKafkaConsumer, place: TopicPartition, start: int, end: int
) -> AsyncIterator[KafkaRecord]:
    """Yield what lies between two offsets; markers of transactions and aborted records are none.

    Raises:
        SourceUnavailableError: The broker does not answer any more.
    """
    reader.seek(place, start)
    moved_s, position = time.monotonic(), start
    while position < end:
        fetched: Mapping[Any, Sequence[KafkaRecord]] = await reader.getmany(timeout_ms=200)
        for record in fetched.get(place, ()):
            if record.offset < end:
                yield record
        before, position = position, await reader.position(place)
        if position > before:
            moved_s = time.monotonic()
        elif time.monotonic() - moved_s > _STALLED_S:
            raise SourceUnavailableError(f"kafka: {place.topic} cannot be read beyond offset {position}")
