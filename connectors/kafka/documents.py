"""From a record of somebody else's topic to a document: whose it is, what is in it, when it was taken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from connectors.errors import DocumentRejectedError, SourceUnavailableError
from connectors.kafka.settings import KafkaTopic, KafkaTopics
from connectors.record import Document

SOURCE_HEADER, DATASET_HEADER = "isthmus-source", "isthmus-dataset"
MAX_NAME = 255
"""Bytes of a source or dataset that a header names; as of the HTTP input."""

_LOG_APPEND_TIME = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(rb"\d{1,19}(?:\.\d{1,9})?")
_UNITS = ((10**17, 1), (10**14, 10**3), (10**11, 10**6))
"""A number at least as large as the first counts nanoseconds, the second micro-, the third milliseconds; else seconds.
Each holds for every time between 1973 and 5138."""


class UntrustedTimeError(SourceUnavailableError):
    """A topic keeps its producers' times, and the settings do not say that this is known."""


class KafkaRecord(Protocol):
    """What is used of aiokafka's record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class TopicReader:
    """Makes documents of the records of one partition.

    Args:
        settings: Of the input.
        topic: Of the topic.
        cluster: Id of the cluster: offsets of another one are another input's.
        partition: Which.

    Attributes:
        input: Identity of the partition as an input that can be read again.
        topic: Settings of the topic.
        partition: Which.
    """

    def __init__(self, settings: KafkaTopics, topic: KafkaTopic, cluster: str, partition: int) -> None:
        era = f"#{topic.era}" if topic.era else ""
        self.input = f"kafka:{cluster}/{topic.name}{era}/{partition}"
        self.topic, self.partition = topic, partition
        self._settings = settings
        self._unwrap = tuple(topic.unwrap.split(".")) if topic.unwrap else ()

    def document(self, record: KafkaRecord) -> Document:
        """Make a document of a record that has a value.

        Raises:
            DocumentRejectedError: It is too large, has not the field to unwrap, or a header cannot be understood.
            UntrustedTimeError: Its time is the producer's.
        """
        value = record.value or b""
        if len(value) > self._settings.max_record_bytes:
            raise DocumentRejectedError(f"larger than {self._settings.max_record_bytes} bytes")
        headers = dict(record.headers)
        return Document(
            source=_name(headers, SOURCE_HEADER, self.topic.source),
            dataset=_name(headers, DATASET_HEADER, self.topic.dataset),
            value=_unwrapped(value, self._unwrap) if self._unwrap else value,
            input=self.input,
            position=record.offset + 1,
            received_ns=self._received_ns(record, headers),
        )

    def _received_ns(self, record: KafkaRecord, headers: dict[str, bytes]) -> int:
        if self._settings.received_header in headers:
            return _time(headers[self._settings.received_header])
        if record.timestamp_type != _LOG_APPEND_TIME and self.topic.create_time == "refuse":
            raise UntrustedTimeError(
                f"topic {record.topic} keeps its producers' times (CreateTime), which may be the devices' own: set"
                " message.timestamp.type to LogAppendTime, or received_header, or create_time: untrusted"
            )
        return record.timestamp * 10**6


def _name(headers: dict[str, bytes], header: str, default: str) -> str:
    if header not in headers:
        return default
    text = headers[header]
    if not 0 < len(text) <= MAX_NAME:
        raise DocumentRejectedError(f"header {header} has {len(text)} bytes; use 1 to {MAX_NAME}")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise DocumentRejectedError(f"header {header} is not UTF-8") from error


def _unwrapped(value: bytes, path: Sequence[str]) -> bytes:
    try:
        inner: Any = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DocumentRejectedError(f"is not JSON, so {'.'.join(path)!r} cannot be taken out: {error}") from error
    for name in path:
        if not isinstance(inner, dict) or name not in inner:
            raise DocumentRejectedError(f"has no field {'.'.join(path)!r}")
        inner = inner[name]
    return inner.encode() if isinstance(inner, str) else msgspec.json.encode(inner)


def _time(text: bytes) -> int:
    """Read a time: RFC 3339, or a number since 1970."""
    if _NUMBER.fullmatch(text):
        whole, _, fraction = text.partition(b".")
        count = int(whole)
        unit_ns = next((unit for least, unit in _UNITS if count >= least), 10**9)
        return count * unit_ns + int((fraction or b"0").ljust(9, b"0")) * unit_ns // 10**9
    try:
        stamp = datetime.fromisoformat(text.decode("ascii"))
        passed = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError) as error:
        raise DocumentRejectedError(f"header with the time of receipt is no time: {text[:40]!r}") from error
    if passed.days < 0:
        raise DocumentRejectedError(f"header with the time of receipt is no time since 1970: {text[:40]!r}")
    return (passed.days * 86_400 + passed.seconds) * 10**9 + passed.microseconds * 1_000
