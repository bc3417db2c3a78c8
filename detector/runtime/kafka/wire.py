"""How what moves between tasks is written into Kafka records, and read back.

Between our own stages a value is a byte of version, a byte of kind and MessagePack. The raw log keeps a record's bytes
as they were received, what is known of it in headers. Alerts and events are JSON, for others to read.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from connectors.record import RawRecord
from connectors.round_trip import decode_round_trip, encode_round_trip
from detector.alert import AlertDraft
from detector.candidate import Candidate
from detector.errors import StateError
from detector.task import Bundle, DeadLetter, PartitionClock, Record
from normalizers.context.rows import ContextRows

Headers = list[tuple[str, bytes]]

_VERSION = b"\x01"
_encoder = msgspec.msgpack.Encoder()
_json = msgspec.json.Encoder()

Passed = Candidate | PartitionClock | AlertDraft | ContextRows | Bundle
_KINDS: dict[type[Passed], bytes] = {
    Candidate: b"c",
    PartitionClock: b"p",
    AlertDraft: b"d",
    ContextRows: b"r",
    Bundle: b"b",
}
_decoders: dict[bytes, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(passed) for passed, kind in _KINDS.items()
}


class KafkaRecord(Protocol):
    """What is used of a record as the client hands it out."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class MalformedMessageError(Exception):
    """A record of ours that cannot be read; it goes to the dead letters."""


def encode_passed(passed: Passed) -> bytes:
    """Write what one stage passes to another."""
    return _VERSION + _KINDS[type(passed)] + _encoder.encode(passed)


def decode_passed(record: KafkaRecord) -> Passed:
    """Read what another stage passed on.

    Raises:
        StateError: It was written by another version of the program.
        MalformedMessageError: It cannot be read.
    """
    value = record.value or b""
    if value[:1] != _VERSION:
        raise StateError(
            f"{record.topic}/{record.partition} at {record.offset} is of version {value[:1]!r}, this program reads"
            f" {_VERSION!r}; let the version that wrote it work the topic off first"
        )
    try:
        passed: Passed = _decoders[value[1:2]].decode(value[2:])
    except (KeyError, msgspec.DecodeError) as error:
        raise MalformedMessageError(f"cannot be read: {error}") from error
    return passed


def raw_headers(record: RawRecord, position: tuple[str, int] | None = None) -> Headers:
    """Write what is known of a raw record.

    Args:
        record: The record; its value is the Kafka record's, its source the key.
        position: Identity of an input that can be read again, and the place in it.
    """
    known = [
        ("id", record.id.encode()),
        ("dataset", record.dataset.encode()),
        ("received_ns", b"%d" % record.received_ns),
    ]
    trip = encode_round_trip(record.round_trip)
    if trip is not None:
        known.append(("round_trip", trip))
    if position is None:
        return known
    return [*known, ("input", position[0].encode()), ("position", b"%d" % position[1])]


def decode_raw(record: KafkaRecord, ready_ns: int) -> Record:
    """Read a record of the raw log.

    Args:
        record: As fetched.
        ready_ns: Its append time, which never falls back within the partition.

    Raises:
        MalformedMessageError: A header is missing or wrong.
    """
    try:
        headers = dict(record.headers)
        position = headers.get("position")
        raw = RawRecord(
            id=headers["id"].decode(),
            source=(record.key or b"").decode(),
            dataset=headers["dataset"].decode(),
            received_ns=int(headers["received_ns"]),
            value=record.value or b"",
            round_trip=decode_round_trip(headers.get("round_trip")),
        )
        return Record(
            raw,
            ready_ns,
            input=None if position is None else headers["input"].decode(),
            position=None if position is None else int(position),
        )
    except (KeyError, ValueError) as error:
        raise MalformedMessageError(f"is no raw record: {error!r}") from error


def dead_letter_headers(letter: DeadLetter) -> Headers:
    """Write what is known of a dead letter; its value is the original bytes."""
    return [
        ("stage", letter.stage.encode()),
        ("source", letter.source.encode()),
        ("dataset", letter.dataset.encode()),
        ("received_ns", b"%d" % letter.received_ns),
        ("error", letter.error.encode()),
    ]


def decode_dead_letter(record: KafkaRecord) -> DeadLetter:
    """Read a dead letter back."""
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    received = headers.get("received_ns", "")
    return DeadLetter(
        id=(record.key or b"").decode("utf-8", "replace"),
        stage=headers.get("stage", ""),
        source=headers.get("source", ""),
        dataset=headers.get("dataset", ""),
        received_ns=int(received) if received.isascii() and received.isdigit() else record.timestamp * 10**6,
        error=headers.get("error", ""),
        value=record.value or b"",
    )
