"""The dead letters on Kafka, for whoever looks at them from outside; a letter's number is its offset."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from connectors.errors import SourceUnavailableError
from connectors.kafka.client import client_arguments, start_client
from connectors.kafka.refusals import explain_error
from connectors.record import Document, RawRecord, record_id
from detector.kafkasettings import KafkaSettings
from detector.runtime.audit import AuditRecord, Fact, who
from detector.runtime.clock import Clock
from detector.runtime.deadletters import StoredDeadLetter
from detector.runtime.kafka.auditing import audit_outgoing
from detector.runtime.kafka.lookback import reading, records_of
from detector.runtime.kafka.outgoing import Outgoing, raw_record
from detector.runtime.kafka.transaction import TIMEOUT_S, commit, discard, make_producer
from detector.runtime.kafka.wire import KafkaRecord, decode_dead_letter
from detector.runtime.topics.names import TopicNames

RETRIED = "retried"
"""Stage of a record that is no dead letter but says of one, by its number, that it was put back."""

LOOKED_AT = 100_000
"""Offsets that a search for the newest goes back at most."""

_WINDOW = 500


class KafkaDeadLetters:
    """The dead-letter topic; its one partition numbers the letters.

    That a letter was put back is written into the topic in the transaction that puts it back, so that a repeat finds
    it, also after a crash.

    Args:
        kafka: The cluster.
        clock: Wall time.

    Raises:
        ConnectorSettingsError: A certificate or secret cannot be read.
    """

    def __init__(self, kafka: KafkaSettings, clock: Clock) -> None:
        self._kafka, self._clock = kafka, clock
        self._names = TopicNames(kafka.prefix)
        self._place = TopicPartition(self._names.dead_letters, 0)
        self._client = client_arguments(kafka.connection, self._names.dead_letter_retry)

    async def newest(self, limit: int, stage: str | None) -> Sequence[StoredDeadLetter]:
        """Return the newest dead letters without their bytes, looking at the last 100,000 offsets at most."""
        found, retried = list[StoredDeadLetter](), Counter[int]()
        async with reading(self._kafka.connection, self._client, self._place) as (reader, begin, end):
            upper, last = end, max(begin, end - LOOKED_AT)
            while upper > last and len(found) < limit:
                lower = max(last, upper - _WINDOW)
                letters = list[StoredDeadLetter]()
                async for record in records_of(reader, self._place, lower, upper):
                    letter = decode_dead_letter(record)
                    if letter.stage == RETRIED:
                        retried[_choice(record)[0]] += 1
                    elif stage in (None, letter.stage):
                        letters.append(StoredDeadLetter(record.offset, msgspec.structs.replace(letter, value=b"")))
                found += reversed(letters)
                upper = lower
        return [msgspec.structs.replace(each, retried=retried[each.seq]) for each in found[:limit]]

    async def get(self, numbers: Iterable[int]) -> dict[int, StoredDeadLetter]:
        """Return the dead letters at some offsets."""
        found = dict[int, StoredDeadLetter]()
        async with reading(self._kafka.connection, self._client, self._place) as (reader, begin, end):
            for number in sorted(set(numbers)):
                if begin <= number < end:
                    async for record in records_of(reader, self._place, number, number + 1):
                        found[number] = StoredDeadLetter(number, decode_dead_letter(record))
        return {number: each for number, each in found.items() if each.letter.stage != RETRIED}

    async def put_back(self, documents: Mapping[int, Document]) -> set[int]:
        """Append documents to the raw log, and to the dead letters that it was done, in one transaction."""
        if not documents:
            return set()
        producer = make_producer(self._client, self._names.dead_letter_retry)
        try:
            await start_client(producer, self._kafka.connection)
            # Only now: what somebody else had under way is decided by the start of this producer.
            done = await self._choices(min(documents))
            fresh = {number: each for number, each in documents.items() if (number, each.dataset) not in done}
            if fresh:
                records = [record for number, each in fresh.items() for record in self._again(number, each)]
                await asyncio.wait_for(commit(producer, records, "deadletter"), TIMEOUT_S)
        except (KafkaError, TimeoutError) as error:
            raise SourceUnavailableError(
                f"kafka: {explain_error(error)}; nothing is put back twice: try again"
            ) from error
        finally:
            await discard(producer)
        return set(fresh)

    def _again(self, number: int, document: Document) -> tuple[Outgoing, ...]:
        received_ns = self._clock.now_ns()
        record = RawRecord(
            record_id(document, received_ns), document.source, document.dataset, received_ns, document.value
        )
        headers = [
            ("stage", RETRIED.encode()),
            ("number", b"%d" % number),
            ("dataset", document.dataset.encode()),
            ("received_ns", b"%d" % received_ns),
        ]
        marker = Outgoing(self._names.dead_letters, 0, record.id.encode(), None, headers)
        facts: dict[str, Fact] = {"number": number, "dataset": document.dataset, "record": record.id}
        audit = audit_outgoing(self._names, AuditRecord("deadletter-retried", received_ns, who(), facts))
        return raw_record(self._names, record, self._kafka.partitions.raw), marker, audit

    async def _choices(self, first: int) -> set[tuple[int, str]]:
        """Return which letters from a number on were put back, and as which dataset."""
        async with reading(self._kafka.connection, self._client, self._place) as (reader, begin, end):
            records = records_of(reader, self._place, max(begin, first), end)
            return {_choice(record) async for record in records if decode_dead_letter(record).stage == RETRIED}


def _choice(record: KafkaRecord) -> tuple[int, str]:
    headers = dict(record.headers)
    number = headers.get("number", b"")
    return int(number) if number.isdigit() else -1, headers.get("dataset", b"").decode("utf-8", "replace")
