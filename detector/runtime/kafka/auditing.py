"""Audit records on Kafka: beside what they are about in its transaction, or by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.kafka.client import client_arguments
from connectors.kafka.refusals import explain_error
from detector.kafkasettings import KafkaSettings
from detector.runtime.audit import AuditRecord, audit_value
from detector.runtime.kafka.lookback import reading, records_of
from detector.runtime.kafka.outgoing import Outgoing
from detector.runtime.topics.names import TopicNames

_WRITE_S = 5.0
_MARKERS = 3
"""Offsets looked at for each record asked for: most stand in a transaction of their own, which ends in a marker."""

_log = structlog.get_logger(__name__)


def audit_outgoing(names: TopicNames, record: AuditRecord) -> Outgoing:
    """Write an audit record, to go out with what it is about."""
    return Outgoing(names.audit, 0, record.by.encode(), audit_value(record))


async def write_audit(client: Mapping[str, Any], names: TopicNames, record: AuditRecord) -> bool:
    """Write an audit record by itself; nothing waits long for it, and nothing fails by it.

    Args:
        client: Arguments for clients of the broker.
        names: Names of topics.
        record: The record.

    Returns:
        Whether it was written; if not, the log says why.
    """
    producer = AIOKafkaProducer(**client, enable_idempotence=True)
    outgoing = audit_outgoing(names, record)
    try:
        async with asyncio.timeout(_WRITE_S):
            await producer.start()
            await producer.send_and_wait(outgoing.topic, outgoing.value, key=outgoing.key, partition=outgoing.partition)
    except (KafkaError, OSError, TimeoutError) as error:
        _log.warning("audit_not_written", action=record.action, reason=explain_error(error))
        return False
    else:
        return True
    finally:
        await producer.stop()


async def read_audit(kafka: KafkaSettings, limit: int) -> list[bytes]:
    """Return the newest audit records, newest first.

    Raises:
        SourceUnavailableError: No broker can be used.
    """
    place = TopicPartition(TopicNames(kafka.prefix).audit, 0)
    client = client_arguments(kafka.connection, f"{kafka.prefix}-audit")
    async with reading(kafka.connection, client, place) as (reader, begin, end):
        start = max(begin, end - _MARKERS * limit)
        found = [record.value or b"" async for record in records_of(reader, place, start, end)]
    return found[::-1][:limit]
