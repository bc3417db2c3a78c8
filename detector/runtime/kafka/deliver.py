"""From the alert topic to one sink outside: in order, again until taken, and only then remembered as read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.errors import SourceUnavailableError
from connectors.kafka.client import client_arguments, start_client
from detector.alert import Alert
from detector.alerting.sinks.delivery import Refusal, Sink, letter_of
from detector.alerting.sinks.handover import Handover
from detector.runtime.kafka.outgoing import dead_letter
from detector.runtime.kafka.transport import SESSION_S
from detector.runtime.kafka.wire import KafkaRecord
from detector.runtime.topics.names import TopicNames, topic_word
from detector.settings import KafkaSettings
from detector.task import DeadLetter

DELIVER = "deliver"
"""Name of the stage."""

BATCH = 500
"""Revisions handed over at once."""

RETRY_S = 5.0
"""After a failure of the broker, and after losing the group, the topic is opened anew where the group stands."""

_WAIT_MS = 500
_LONGEST_OUTAGE_MS = 7 * 86_400_000
"""A reader that has not asked for more for so long is put out of its group: a sink may be away over a weekend."""

_REVISION_DIGITS = 18
"""As many as an external version of Elasticsearch surely takes."""

_log = structlog.get_logger(__name__)


class Deliverer:
    """One consumer group a sink, so that one that is away holds up no other.

    Args:
        name: Of the sink; names the group.
        sink: Where alerts go.
        kafka: Where they come from.
    """

    def __init__(self, name: str, sink: Sink, kafka: KafkaSettings) -> None:
        self.handover = Handover(name, sink, self._reject)
        self._kafka = kafka
        self._names = TopicNames(kafka.prefix)
        self._client = client_arguments(kafka.connection, f"{kafka.prefix}-{DELIVER}")
        self._letters: list[DeadLetter] = []

    async def run(self) -> None:
        """Deliver until cancelled; a broker that is away is waited for."""
        try:
            while True:
                try:
                    await self._follow()
                except (KafkaError, SourceUnavailableError) as error:
                    _log.warning("delivery_interrupted", sink=self.handover.name, error=str(error) or repr(error))
                    await asyncio.sleep(RETRY_S)
        finally:
            await self.handover.close()

    async def _follow(self) -> None:
        reader = AIOKafkaConsumer(
            self._names.alerts,
            **self._client,
            group_id=self._names.group(f"{DELIVER}-{topic_word(self.handover.name)}"),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(SESSION_S * 1_000),
            heartbeat_interval_ms=int(SESSION_S * 1_000) // 3,
            max_poll_interval_ms=_LONGEST_OUTAGE_MS,
        )
        producer = AIOKafkaProducer(**self._client, enable_idempotence=True)
        try:
            await start_client(reader, self._kafka.connection)
            await producer.start()
            while True:
                fetched = await reader.getmany(timeout_ms=_WAIT_MS, max_records=BATCH)
                for place, records in fetched.items():
                    await self._hand_over(records, producer)
                    await reader.commit({place: records[-1].offset + 1})
        finally:
            await reader.stop()
            await producer.stop()

    async def _hand_over(self, records: Sequence[KafkaRecord], producer: AIOKafkaProducer) -> None:
        """Return when each record was taken by the sink or is a dead letter."""
        # What a hand-over before this one left was not remembered as read either, and comes again.
        self._letters.clear()
        await self.handover.give([alert for record in records if (alert := self._alert(record)) is not None])
        for letter in self._letters:
            kept = dead_letter(self._names, letter)
            await producer.send_and_wait(
                kept.topic, kept.value, key=kept.key, partition=kept.partition, headers=kept.headers
            )

    def _alert(self, record: KafkaRecord) -> Alert | None:
        try:
            return decode_alert(record)
        except (msgspec.DecodeError, RecursionError, ValueError, KeyError) as error:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            _log.error("alert_unreadable", sink=self.handover.name, record=place, error=repr(error))
            self._letters.append(
                DeadLetter(
                    id=place,
                    stage=f"sink:{self.handover.name}",
                    source="",
                    dataset="isthmus.alert",
                    received_ns=record.timestamp * 10**6,
                    error=f"no alert: {error!r}",
                    value=record.value or b"",
                )
            )
            return None

    def _reject(self, name: str, refusal: Refusal) -> None:
        self._letters.append(letter_of(name, refusal))


def decode_alert(record: KafkaRecord) -> Alert:
    """Read a revision of an alert.

    Raises:
        msgspec.DecodeError: The value is no JSON object.
        ValueError: The key is no UTF-8, or the revision no number above 0.
        KeyError: The header `revision` is missing.
    """
    headers: Mapping[str, bytes] = dict(record.headers)
    revision = int(headers["revision"][:_REVISION_DIGITS])
    if revision < 1:
        raise ValueError(f"revision {revision}")
    document: dict[str, Any] = msgspec.json.decode(record.value or b"", type=dict[str, Any])
    return Alert((record.key or b"").decode(), revision, document)
