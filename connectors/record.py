"""What a connector hands on: a Document as read, a RawRecord once it has an id and a time."""

from __future__ import annotations

import hashlib

import msgspec

from connectors.round_trip import RoundTrip

ID_BYTES = 16
"""128 bits: at a billion records a day a clash is not expected within the age of the universe."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One message cut out of a connector's input, before it is given an id.

    Attributes:
        source: Logical source id such as ``plant-a/pacs-1``: the unit of clock, order and heartbeat.
        dataset: Which normalizer reads it, such as ``gallagher.event``; empty while unrecognised.
        value: The bytes as received.
        input: Identity of an input that can be read again (a file, a partition), else None.
        position: Where in that input the document ends, in bytes or records; None without `input`.
        key: Idempotency key given by the sender, else None.
        received_ns: When a collector before us took it, UTC nanoseconds; None: we are the first.
        round_trip: What the device's clock showed when it was asked for the message; None: it was not asked.
    """

    source: str
    dataset: str
    value: bytes
    input: str | None = None
    position: int | None = None
    key: str | None = None
    received_ns: int | None = None
    round_trip: RoundTrip | None = None


class RawRecord(msgspec.Struct, frozen=True):
    """A document with its identity: what the raw log holds and every later stage refers to.

    Attributes:
        id: Given once, before the first durable append; never a position in our own log.
        source: Logical source id.
        dataset: Which normalizer reads it.
        received_ns: When a collector took it: UTC nanoseconds of the collector's trusted clock.
        value: The bytes as received.
        round_trip: What the device's clock showed when it was asked for them; None: it was not asked.
    """

    id: str
    source: str
    dataset: str
    received_ns: int
    value: bytes
    round_trip: RoundTrip | None = None


def hashed_id(*parts: str | int | bytes) -> str:
    """Compute an id from what caused it.

    Args:
        parts: Facts in a fixed order; each is length-prefixed, so that ("ab", "c") and ("a", "bc") differ.

    Returns:
        32 hexadecimal characters of BLAKE2b.
    """
    told = list[bytes]()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        told += (len(data).to_bytes(4, "big"), data)
    return hashlib.blake2b(b"".join(told), digest_size=ID_BYTES).hexdigest()


def record_id(document: Document, received_ns: int) -> str:
    """Give a document its record id: by idempotency key, by input position, else by source and time.

    Args:
        document: As the connector cut it.
        received_ns: UTC nanoseconds, strictly increasing per source.
    """
    if document.key is not None:
        return hashed_id("key", document.source, document.key)
    if document.input is not None and document.position is not None:
        return hashed_id("input", document.input, document.position)
    return hashed_id("received", document.source, received_ns)
