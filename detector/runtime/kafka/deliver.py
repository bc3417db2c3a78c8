"""From our topics to one sink outside: in order, again until taken, and only then remembered as read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.errors import SourceUnavailableError
from connectors.kafka.client import client_arguments, start_client
from connectors.kafka.refusals import explain_error
from detector.alert import Alert
from detector.alerting.contract import is_test
from detector.alerting.sinks.delivery import EventDocument, EventSink, Refusal, Sink, letter_of
from detector.alerting.sinks.handover import Handover
from detector.alerting.sinks.table import build_event_sinks, build_sink
from detector.errors import SettingsError
from detector.kafkasettings import KafkaSettings
from detector.runtime.kafka.outgoing import dead_letter
from detector.runtime.kafka.transport import SESSION_S
from detector.runtime.kafka.wire import KafkaRecord
from detector.runtime.topics.names import TopicNames, topic_word
from detector.settings import Settings
from detector.task import DeadLetter

DELIVER = "deliver"
"""Name of the stage."""

BATCH = 500
"""Records handed over at once."""

RETRY_S = 5.0
"""After a failure of the broker, and after losing the group, the topic is opened anew where the group stands."""

_WAIT_MS = 500
_LONGEST_OUTAGE_MS = 7 * 86_400_000
"""A reader that has not asked for more for so long is put out of its group: a sink may be away over a weekend."""

_REVISION_DIGITS = 18
"""As many as an external version of Elasticsearch surely takes."""

Decoded = TypeVar("Decoded")
_log = structlog.get_logger(__name__)


class Receiver(Protocol):
    """Takes records of a topic.

    Attributes:
        name: Names the consumer group.
    """

    name: str

    async def take(self, records: Sequence[KafkaRecord]) -> list[DeadLetter]:
        """Return when each record was taken by the sink; those that never will be are returned."""
        ...

    async def close(self) -> None:
        """Close the sink."""
        ...


class Deliverer:
    """One consumer group a sink, so that one that is away holds up no other.

    Args:
        topic: What is delivered.
        receiver: Where it goes.
        kafka: The cluster.
    """

    def __init__(self, topic: str, receiver: Receiver, kafka: KafkaSettings) -> None:
        self.receiver = receiver
        self._topic = topic
        self._kafka = kafka
        self._names = TopicNames(kafka.prefix)
        self._client = client_arguments(kafka.connection, f"{kafka.prefix}-{DELIVER}")

    async def run(self) -> None:
        """Deliver until cancelled; a broker that is away is waited for."""
        try:
            while True:
                try:
                    await self._follow()
                except (KafkaError, SourceUnavailableError) as error:
                    _log.warning("delivery_interrupted", sink=self.receiver.name, error=explain_error(error))
                    await asyncio.sleep(RETRY_S)
        finally:
            await self.receiver.close()

    async def _follow(self) -> None:
        reader = AIOKafkaConsumer(
            self._topic,
            **self._client,
            group_id=self._names.group(f"{DELIVER}-{topic_word(self.receiver.name)}"),
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
                    for letter in await self.receiver.take(records):
                        await self._keep(letter, producer)
                    await reader.commit({place: records[-1].offset + 1})
        finally:
            await reader.stop()
            await producer.stop()

    async def _keep(self, letter: DeadLetter, producer: AIOKafkaProducer) -> None:
        kept = dead_letter(self._names, letter)
        await producer.send_and_wait(
            kept.topic, kept.value, key=kept.key, partition=kept.partition, headers=kept.headers
        )


class AlertReceiver:
    """Hands alerts to a sink.

    Args:
        name: Of the sink.
        sink: Where they go.
        tests: Whether it takes test alerts.
    """

    def __init__(self, name: str, sink: Sink, *, tests: bool) -> None:
        self.name = name
        self._tests = tests
        self._canary: str | None = None
        self._handover = Handover(name, sink, self._reject)
        self._letters: list[DeadLetter] = []

    async def take(self, records: Sequence[KafkaRecord]) -> list[DeadLetter]:
        """Decode and hand over."""
        # What an attempt that was broken off left here was not remembered as read either, and comes again.
        self._letters = []
        decoded = (_decoded(decode_alert, record, self.name, self._letters) for record in records)
        alerts = [alert for alert in decoded if alert is not None]
        await self._handover.give(alerts)
        if self._tests:
            self._canary = next((_sent(each) for each in reversed(alerts) if is_test(each.document)), self._canary)
        return self._letters

    def report(self) -> dict[str, object]:
        """Return what the heartbeat says: whether the sink takes what it is offered, and the newest canary it took."""
        return {"up": self._handover.up, **({} if self._canary is None else {"canary": self._canary})}

    async def close(self) -> None:
        """Close the sink."""
        await self._handover.close()

    def _reject(self, name: str, refusal: Refusal) -> None:
        self._letters.append(letter_of(name, refusal))


class EventReceiver:
    """Hands events to a sink."""

    def __init__(self, sink: EventSink, letters: list[DeadLetter]) -> None:
        self.name = sink.name
        self._sink = sink
        self._letters = letters

    async def take(self, records: Sequence[KafkaRecord]) -> list[DeadLetter]:
        """Decode and hand over."""
        self._letters.clear()
        decoded = (_decoded(decode_event, record, self.name, self._letters) for record in records)
        await self._sink.give([event for event in decoded if event is not None])
        return list(self._letters)

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()


def build_deliverers(settings: Settings, kafka: KafkaSettings) -> list[Deliverer]:
    """Make a deliverer a sink, and one more where a sink takes events.

    Raises:
        SettingsError: Two sinks have one name: they would share a consumer group, and each get a part.
        ConnectorSettingsError: A connection cannot be made with its settings.
    """
    names = TopicNames(kafka.prefix)
    receivers: list[tuple[str, Receiver]] = [
        (names.alerts, AlertReceiver(each.name, build_sink(each), tests=each.tests)) for each in settings.sinks
    ]
    for sink in settings.sinks:
        letters = list[DeadLetter]()
        receivers += [
            (names.events, EventReceiver(each, letters)) for each in build_event_sinks([sink], letters.append)
        ]
    called = [topic_word(receiver.name) for _, receiver in receivers]
    if len(set(called)) < len(called):
        raise SettingsError(f"sinks {', '.join(called)}: each needs a name of its own; it names the consumer group")
    return [Deliverer(topic, receiver, kafka) for topic, receiver in receivers]


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


def decode_event(record: KafkaRecord) -> EventDocument:
    """Read an event.

    Raises:
        msgspec.DecodeError: The value is no JSON object.
        ValueError: The id is no UTF-8.
        KeyError: The header `id` is missing.
    """
    headers: Mapping[str, bytes] = dict(record.headers)
    return EventDocument(headers["id"].decode(), msgspec.json.decode(record.value or b"", type=dict[str, Any]))


def _sent(test: Alert) -> str:
    return str(test.document["event"]["end"])


def _decoded(
    decode: Callable[[KafkaRecord], Decoded], record: KafkaRecord, sink: str, letters: list[DeadLetter]
) -> Decoded | None:
    """Read a record; what is none of ours becomes a dead letter."""
    try:
        return decode(record)
    except (msgspec.DecodeError, RecursionError, ValueError, KeyError) as error:
        place = f"{record.topic}/{record.partition}/{record.offset}"
        _log.error("record_unreadable", sink=sink, record=place, error=repr(error))
        letters.append(
            DeadLetter(
                id=place,
                stage=f"sink:{sink}",
                source="",
                dataset="",
                received_ns=record.timestamp * 10**6,
                error=f"cannot be read: {error!r}",
                value=record.value or b"",
            )
        )
        return None
