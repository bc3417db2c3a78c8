"""Faust's Kafka driver with an inner loop of our own: chunks instead of messages, positions from the tasks.

Everything here relies on how faust-streaming 0.15.3 and aiokafka 0.14.0 are made, private parts included; both are
pinned, and tests/detector/runtime/kafka/test_pins.py fails when what is relied on moves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, cast

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from detector.runtime.kafka.ends import Ends
from detector.runtime.kafka.ownership import Chunk, Ownership

CHUNK = 500
"""Records applied at once; between two chunks other tasks get their turn."""

SESSION_S = 6.0
"""A worker that is silent for so long has lost its partitions."""

_HEARTBEAT_S = 1.0
_POLL_S = 0.2
_FETCH_WAIT_S = 0.05
_FETCH_BYTES = 4 << 20
_AT_END_S = 1.0
_LOOK_AROUND_S = 10.0
"""A topic that was made anew is found after so long; the client's own five minutes are long for a detector."""

_log = structlog.get_logger(__name__)


class ReadingThread(driver.AIOKafkaConsumerThread):
    """The thread in which the consumer lives, heartbeats included."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:  # noqa: ANN401  Faust's own transport
        self._assignor = RoundRobinPartitionAssignor
        conf = self.app.conf
        return AIOKafkaConsumer(
            **transport.client,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=int(_FETCH_WAIT_S * 1_000),
            session_timeout_ms=int(SESSION_S * 1_000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1_000),
            heartbeat_interval_ms=int(_HEARTBEAT_S * 1_000),
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1_000),
            metadata_max_age_ms=int(_LOOK_AROUND_S * 1_000),
        )

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Leave it to the worker's own watchdog whether there is progress."""


class ChunkConsumer(driver.Consumer):
    """Hands chunks to the agent, and stands where the tasks stand."""

    def _new_consumer_thread(self) -> ReadingThread:
        return ReadingThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def _ours(self) -> ChunkTransport:
        return cast(ChunkTransport, self.transport)

    @property
    def _ownership(self) -> Ownership:
        return self._ours.ownership

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit first: what Faust does next forgets what was read."""
        self.stop_flow()
        self.app.flow_control.suspend()
        await self._ownership.release(timeout_s=SESSION_S * 0.4)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take over what was assigned, beside the reading of what stayed."""
        topic = self._ownership.stage.topic
        await self._ownership.assign(tp.partition for tp in assigned if tp.topic == topic)
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Seek nowhere: `_drain_messages` does, once a task is open."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ANN401, ARG002, FBT
        """Commit nothing: a task's position is in its state."""
        return False

    async def _drain_messages(self, fetcher: Any) -> None:  # noqa: ANN401  Faust's own fetcher
        stopped = (self._stopped, fetcher._stopped)  # noqa: SLF001  see above
        asked_s = 0.0
        try:
            while not any(each.is_set() for each in stopped):
                self._ownership.read_s = time.monotonic()
                if not self.flow_active:
                    await self.wait(self.can_resume_flow.wait())
                    continue
                await self._stand()
                reading = self._ownership.readable()
                if not reading:
                    await asyncio.sleep(_POLL_S / 2)
                    continue
                await self._read(reading)
                if time.monotonic() - asked_s >= _AT_END_S:
                    asked_s = time.monotonic()
                    await self._look_for_ends(self._ours.ends)
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:
                raise

    async def _stand(self) -> None:
        """Set the reader to the positions of tasks that were opened since; nothing else reads meanwhile."""
        topic = self._ownership.stage.topic
        for partition, life in self._ownership.unsought().items():
            turn = life.turn
            try:
                await self.seek_wait({TP(topic, partition): life.position})
            except (IllegalStateError, KafkaError, TimeoutError, AssertionError) as error:
                _log.info("seek_postponed", topic=topic, partition=partition, reason=repr(error))
                await asyncio.sleep(_POLL_S)
                return
            life.sought = turn

    async def _read(self, reading: Mapping[int, Chunk]) -> None:
        topic = self._ownership.stage.topic
        fetched = await self._getmany({TP(topic, partition) for partition in reading}, _POLL_S)
        for place, records in (fetched or {}).items():
            owner = reading.get(place.partition)
            if owner is None:
                continue
            for start in range(0, len(records), CHUNK):
                await self._deliver(place, Chunk(owner.life, owner.turn, records[start : start + CHUNK]))

    async def _look_for_ends(self, ends: Ends) -> None:
        """Tell tasks that their reader stands at the end. All that was fetched has been delivered by now."""
        topic = self._ownership.stage.topic
        reading = self._ownership.readable()
        try:
            asked_ns, found = await ends.find(topic, reading)
            self._ownership.saw_ends(found)
            at_end = [each for each in reading if (await self.position(TP(topic, each)) or 0) >= found[each]]
        except (KafkaError, TimeoutError, IllegalStateError) as error:
            _log.info("ends_unknown", topic=topic, reason=repr(error))
            return
        for partition in at_end:
            owner = reading[partition]
            await self._deliver(TP(topic, partition), Chunk(owner.life, owner.turn, clock_ns=asked_ns))

    async def _deliver(self, place: Any, chunk: Chunk) -> None:  # noqa: ANN401  topic and partition
        tp = TP(place.topic, place.partition)
        message = ConsumerMessage(
            tp.topic, tp.partition, chunk.life.position, 0.0, 0, [], None, cast(bytes, chunk), None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip
        await self.wait_first(self.callback(message), self.suspend_flow.wait())


class ChunkTransport(driver.Transport):
    """The driver, told whose chunks it fetches.

    Attributes:
        ownership: Tasks of the stage.
        client: Arguments for clients of the broker.
        ends: Finds the ends of partitions.
    """

    Consumer = ChunkConsumer
    ownership: Ownership
    client: Mapping[str, Any]
    ends: Ends
