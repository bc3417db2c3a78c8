"""Reading the topic of test alerts: what a subscriber that reads committed would have seen of the canaries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.kafka.refusals import explain_error
from detector.runtime.kafka.wire import KafkaRecord

RETRY_S = 5.0
_LOOKED_BACK = 100
"""Offsets: what came out before this worker started; a round is five alerts, and a marker for each transaction."""

_log = structlog.get_logger(__name__)
_json = msgspec.json.Decoder(dict[str, Any])


async def follow_test_alerts(client: Mapping[str, Any], topic: str, saw: Callable[[Mapping[str, Any]], None]) -> None:
    """Hand over each test alert until cancelled; while the broker is away there are none.

    Args:
        client: Arguments for clients of the broker.
        topic: Of one partition.
        saw: Takes documents.
    """
    place = TopicPartition(topic, 0)
    while True:
        reader = AIOKafkaConsumer(**client, isolation_level="read_committed", enable_auto_commit=False)
        try:
            await reader.start()
            reader.assign([place])
            begin = (await reader.beginning_offsets([place]))[place]
            reader.seek(place, max(begin, (await reader.end_offsets([place]))[place] - _LOOKED_BACK))
            while True:
                fetched: Mapping[Any, Sequence[KafkaRecord]] = await reader.getmany(timeout_ms=1_000)
                for record in fetched.get(place, ()):
                    _hand_over(record, saw)
        except (KafkaError, OSError) as error:
            _log.warning("test_alerts_not_read", reason=explain_error(error))
            await asyncio.sleep(RETRY_S)
        finally:
            await reader.stop()


def _hand_over(record: KafkaRecord, saw: Callable[[Mapping[str, Any]], None]) -> None:
    try:
        saw(_json.decode(record.value or b""))
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        place = f"{record.topic}/{record.partition}/{record.offset}"
        _log.warning("test_alert_unreadable", record=place, reason=repr(error))
