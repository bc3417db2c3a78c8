"""Topics that tests make for themselves."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def create_topics(bootstrap: str, partitions: dict[str, int], *, compacted: tuple[str, ...] = ()) -> None:
    """Create topics with one replica.

    Args:
        bootstrap: Address of the broker.
        partitions: Name to number of partitions.
        compacted: Names of those that keep the last record of each key.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(name, count, 1, topic_configs={"cleanup.policy": "compact"} if name in compacted else {})
                for name, count in partitions.items()
            ]
        )
    finally:
        await admin.close()
