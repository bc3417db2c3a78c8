"""Writing everything that a checkpoint holds in one transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from detector.runtime.failpoint import failpoint
from detector.runtime.kafka.outgoing import Outgoing

TIMEOUT_S = 10.0
"""After it the broker aborts an open transaction, and a commit counts as lost. Not below the session timeout: a worker
that is taken for dead must not still hold up readers."""

_BATCH_BYTES = 256 << 10
_STOP_S = 5.0


def make_producer(client: Mapping[str, Any], transactional_id: str) -> AIOKafkaProducer:
    """Make the producer of one task; once started, the producer of the owner before is fenced."""
    return AIOKafkaProducer(
        **client,
        transactional_id=transactional_id,
        transaction_timeout_ms=int(TIMEOUT_S * 1_000),
        request_timeout_ms=int(TIMEOUT_S * 1_000),
        linger_ms=0,
        max_batch_size=_BATCH_BYTES,
    )


class Reached(msgspec.Struct, frozen=True):
    """How far a reader came, remembered by Kafka as the offset of a consumer group."""

    group: str
    place: TopicPartition
    offset: int


async def commit(
    producer: AIOKafkaProducer, records: Sequence[Outgoing], name: str, reached: Reached | None = None
) -> None:
    """Write records and commit them together; after any error the producer is of no more use.

    The transaction is opened here and not before: while it is open, whoever reads committed sees nothing that follows.

    Args:
        producer: Of the task.
        records: At least one.
        name: Of the stage, for failpoints.
        reached: What is remembered with them.
    """
    failpoint(f"{name}-before")
    await producer.begin_transaction()
    deliveries = [await _send(producer, batch, place) for place, batch in _batches(producer, records)]
    # aiokafka commits although a record failed: only its own future tells.
    for result in await asyncio.gather(*deliveries, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
    if reached is not None:
        offsets = {reached.place: OffsetAndMetadata(reached.offset, "")}
        await producer.send_offsets_to_transaction(offsets, reached.group)
    failpoint(f"{name}-inside")
    await producer.commit_transaction()
    failpoint(f"{name}-after")


async def offset_reached(client: Mapping[str, Any], group: str, place: TopicPartition) -> int | None:
    """Return the offset that was remembered last with a commit; None: none was.

    Raises:
        KafkaError: The broker cannot be asked.
    """
    consumer = AIOKafkaConsumer(**client, group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        found = await consumer.committed(place)
    finally:
        await consumer.stop()
    return None if found is None else int(found)


async def discard(producer: AIOKafkaProducer) -> None:
    """Close a producer, also one that no longer answers."""
    try:
        await asyncio.wait_for(producer.stop(), _STOP_S)
    except Exception:  # noqa: BLE001  whatever is wrong with it, it is thrown away
        with suppress(Exception, asyncio.CancelledError):
            await producer._sender.close()  # noqa: SLF001  else its task goes on, and might still commit
        await producer.client.close()


def _batches(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> list[tuple[tuple[str, int], Any]]:
    """Pack records into batches of one partition each: half the work of sending each by itself."""
    now_ms = time.time_ns() // 1_000_000
    shares = dict[tuple[str, int], list[Outgoing]]()
    for record in records:
        shares.setdefault((record.topic, record.partition), []).append(record)
    found = list[tuple[tuple[str, int], Any]]()
    for place, share in shares.items():
        batch = producer.create_batch()
        for record in share:
            fields = {"key": record.key, "value": record.value, "timestamp": now_ms, "headers": record.headers}
            if batch.append(**fields) is None:
                found.append((place, batch))
                batch = producer.create_batch()
                batch.append(**fields)
        found.append((place, batch))
    return found


async def _send(producer: AIOKafkaProducer, batch: Any, place: tuple[str, int]) -> asyncio.Future[Any]:  # noqa: ANN401
    topic, partition = place
    batch.close()
    future: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
    return future
