"""Records as other shippers bring them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def make_topic(bootstrap: str, partitions: int, *, time: str = "LogAppendTime", name: str = "") -> str:
    """Make a topic with a name of its own; returns the name."""
    topic = name or f"others.{uuid.uuid4().hex[:8]}"
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        config = {"message.timestamp.type": time}
        reply = await client.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])
        assert [code for _, code, *_ in reply.topic_errors] == [0]
    finally:
        await client.close()
    return topic


async def delete_topic(bootstrap: str, topic: str) -> None:
    """Delete a topic."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        await client.delete_topics([topic])
    finally:
        await client.close()


async def produce(
    bootstrap: str,
    topic: str,
    values: Sequence[bytes | None],
    *,
    headers: Sequence[tuple[str, bytes]] = (),
    partition: int | None = None,
) -> None:
    """Append values, in order within a partition."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, max_request_size=4 << 20)
    await producer.start()
    try:
        for value in values:
            key = b"gone" if value is None else None
            await producer.send(topic, value, key=key, partition=partition, headers=headers)
        await producer.flush()
    finally:
        await producer.stop()


def gallagher(name: str, door: str) -> bytes:
    """Return one event of an access-control system, of now."""
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": stamp, "type": {"id": "1", "name": name}, "source": {"name": door}}).encode()
