"""Publishing context tables to the one context log, by one publisher at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from connectors.errors import SourceUnavailableError
from connectors.kafka.client import client_arguments, start_client
from connectors.kafka.refusals import explain_error
from detector.kafkasettings import KafkaSettings
from detector.runtime.audit import AuditRecord, published_facts, who
from detector.runtime.clock import Clock
from detector.runtime.contextfiles import changed_tables
from detector.runtime.kafka.auditing import audit_outgoing
from detector.runtime.kafka.outgoing import Outgoing, context_record
from detector.runtime.kafka.state import read_latest
from detector.runtime.kafka.transaction import commit, discard, make_producer
from detector.runtime.topics.names import TopicNames

PUBLISHED_AHEAD_NS = 5_000_000_000
"""Tables that change are known this long after they were published, so that every worker has them in time."""

FILE_KEY = b"file/"
"""Under it the log keeps the hash of what was published last of each table."""


async def publish_tables(kafka: KafkaSettings, folder: Path, clock: Clock) -> list[str]:
    """Publish the tables of a folder that are new or changed, together.

    Returns:
        Their names.

    Raises:
        ContextErrors: A table has faults.
        SourceUnavailableError: The broker cannot be used, or another publisher has taken over.
    """
    names = TopicNames(kafka.prefix)
    client: Mapping[str, Any] = client_arguments(kafka.connection, f"{kafka.prefix}-context")
    producer = make_producer(client, f"{kafka.prefix}-context")
    try:
        await start_client(producer, kafka.connection)
        latest = await read_latest(client, names.context, 0)
        published = {
            key.removeprefix(FILE_KEY).decode(): value.decode()
            for key, value in latest.items()
            if key.startswith(FILE_KEY)
        }
        rows, changed = changed_tables(folder, published, clock.now_ns() + PUBLISHED_AHEAD_NS)
        if changed:
            hashes = [Outgoing(names.context, 0, FILE_KEY + table.encode(), h.encode()) for table, h in changed.items()]
            record = AuditRecord("context-published", clock.now_ns(), who(), published_facts(changed))
            await commit(
                producer,
                [*(context_record(names, each) for each in rows), *hashes, audit_outgoing(names, record)],
                "publish",
            )
        return sorted(changed)
    except KafkaError as error:
        raise SourceUnavailableError(f"kafka: {explain_error(error)}") from error
    finally:
        await discard(producer)
