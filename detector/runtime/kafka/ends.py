"""Where partitions end, and since when nothing earlier can follow; and which topics they are of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.kafka.topicids import topic_id
from detector.runtime.clock import Clock

SKEW_NS = 1_000_000_000
"""How far our clock may be ahead of the broker's."""

_WAIT_S = 5.0


class Ends:
    """Asks for ends by a reader of its own, which sees what is not committed yet: it holds up what follows it."""

    def __init__(self, client: Mapping[str, Any], clock: Clock) -> None:
        self._reader = AIOKafkaConsumer(**client, enable_auto_commit=False)
        self._clock = clock

    async def start(self) -> None:
        """Find the cluster."""
        await self._reader.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._reader.stop()

    async def topic_id(self, topic: str) -> bytes:
        """Return the id of a topic, which another of the same name does not have.

        Raises:
            KafkaError: It is not there, or the broker cannot be asked.
        """
        return await topic_id(self._reader._client, topic)  # noqa: SLF001  pinned: tests/…/test_pins.py

    async def find(self, topic: str, partitions: Iterable[int]) -> tuple[int, dict[int, int]]:
        """Return the ends of partitions.

        Returns:
            A time before which nothing will be appended behind these ends, and partition to offset.

        Raises:
            TimeoutError: The broker does not answer.
            KafkaError: It cannot be asked.
        """
        asked_ns = self._clock.now_ns()
        places = [TopicPartition(topic, partition) for partition in partitions]
        found = await asyncio.wait_for(self._reader.end_offsets(places), _WAIT_S) if places else {}
        return asked_ns - SKEW_NS, {place.partition: end for place, end in found.items()}
