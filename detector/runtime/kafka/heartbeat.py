"""What a worker says of itself every ten seconds, for whoever watches the watchers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.kafka.refusals import explain_error
from detector.runtime.kafka.wire import KafkaRecord
from detector.task import LogRecord, PartitionClock

EVERY_S = 10.0

_SILENT_S = 8.0
"""A raw partition whose clock was not heard for so long has no worker; clocks come every second."""

_LOOK_S = 0.5
"""What is urgent is in a beat of its own: silence, look and write stay below ten seconds together."""

_json = msgspec.json.Encoder()
_log = structlog.get_logger(__name__)


class Heartbeat:
    """Writes a JSON document to the heartbeat topic, at once when something urgent changes, else every ten seconds.

    What cannot be written is left out, not kept.

    Args:
        client: Arguments for clients of the broker.
        topic: The heartbeat topic.
        name: Of the worker.
        report: Returns the document.
        urgent: Returns what of it must not wait for the next beat.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        topic: str,
        name: str,
        report: Callable[[], dict[str, object]],
        urgent: Callable[[], object],
    ) -> None:
        self._client, self._topic, self._name, self._report = client, topic, name, report
        self._urgent = urgent

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            producer = AIOKafkaProducer(**self._client, enable_idempotence=True)
            try:
                await producer.start()
                while True:
                    told, due_s = self._urgent(), time.monotonic() + EVERY_S
                    await producer.send_and_wait(self._topic, _json.encode(self._report()), key=self._name.encode())
                    while time.monotonic() < due_s and self._urgent() == told:  # noqa: ASYNC110  it is asked for
                        await asyncio.sleep(_LOOK_S)
            except (KafkaError, OSError) as error:
                _log.warning("heartbeat_failed", reason=explain_error(error))
                await asyncio.sleep(EVERY_S)
            finally:
                await producer.stop()


class ClockWatch:
    """Notes when the clock of each raw partition was last heard by a task of the correlate stage."""

    def __init__(self, partitions: int) -> None:
        self._heard_s = dict.fromkeys(range(partitions), time.monotonic())

    def listening(self, decode: Callable[[KafkaRecord, int], LogRecord]) -> Callable[[KafkaRecord, int], LogRecord]:
        """Return a decoder that notes clocks as they pass."""

        def heard(record: KafkaRecord, ready_ns: int) -> LogRecord:
            entry = decode(record, ready_ns)
            if isinstance(entry, PartitionClock):
                self._heard_s[entry.partition] = time.monotonic()
            return entry

        return heard

    def silent(self) -> list[int]:
        """Return the raw partitions that nobody seems to work on."""
        now_s = time.monotonic()
        return [partition for partition, heard_s in self._heard_s.items() if now_s - heard_s > _SILENT_S]
