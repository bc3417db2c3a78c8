"""What shippers put into Kafka becomes the record that the device wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from connectors.errors import DocumentRejectedError, SourceUnavailableError
from connectors.kafka.documents import TopicReader
from connectors.kafka.settings import KafkaConnection, KafkaTopic, KafkaTopics
from connectors.recognition import recognise


class Record(msgspec.Struct):
    """A record as aiokafka gives it; appended at the broker's time unless said otherwise."""

    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    topic: str = "t"
    partition: int = 3
    offset: int = 7
    timestamp: int = 1_760_000_000_123
    timestamp_type: int = 1


def _reader(*, received_header: str | None = None, limit: int = 10 << 20, **topic: Any) -> TopicReader:  # noqa: ANN401
    settings = KafkaTopics(
        KafkaConnection(["127.0.0.1:9092"], plaintext=True),
        [KafkaTopic("t", "site/x", **topic)],
        received_header=received_header,
        max_record_bytes=limit,
    )
    return TopicReader(settings, settings.topics[0], "cluster", 3)


ASA = rb"<166>Oct 20 2026 03:12:44 fw-1 : %ASA-6-113039: Group <vpn> User <jdoe> IP <203.0.113.7> AnyConnect started"
CONN = b'{"ts":1760000000.1,"uid":"C1","id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2","proto":"tcp","conn_state":"SF"}'
SHIPPED = {
    "filebeat": (
        b'{"@timestamp":"2026-10-20T03:12:44.120Z","@metadata":{"beat":"filebeat"},"log":{"offset":12},"message":%s}',
        "message",
        ASA,
        "cisco.asa",
    ),
    "logstash": (
        b'{"@version":"1","@timestamp":"2026-10-20T03:12:44.120Z","host":{"ip":"10.0.0.9"},"event":{"original":%s}}',
        "event.original",
        ASA,
        "cisco.asa",
    ),
    "vector": (
        b'{"host":"fw-1","source_ip":"10.0.0.9","source_type":"socket","timestamp":"2026-10-20T03:12:44Z","message":%s}',
        "message",
        ASA,
        "cisco.asa",
    ),
    "fluent-bit": (b'{"@timestamp":1760000000.123456,"log":%s}', "log", ASA, "cisco.asa"),
    "zeek-tagged": (b'{"conn":%s}', "conn", CONN, "zeek.conn"),
    "zeek": (b"%s", None, CONN, "zeek.conn"),
}


@pytest.mark.parametrize("shipper", SHIPPED)
def test_a_shipped_record_is_unwrapped(shipper: str) -> None:
    """The line as the device wrote it, or the object as Zeek did, and it is recognised."""
    envelope, unwrap, line, dataset = SHIPPED[shipper]
    inner = line if line.startswith(b"{") else msgspec.json.encode(line.decode())
    document = _reader(unwrap=unwrap).document(Record(envelope % inner))
    assert document.value == line
    assert recognise(document.value) == dataset


def test_a_partition_is_an_input_that_can_be_read_again() -> None:
    """Cluster, topic, era and partition name it; the position is the next offset."""
    document = _reader(dataset="zeek.conn").document(Record(CONN))
    assert (document.input, document.position) == ("kafka:cluster/t/3", 8)
    assert (document.source, document.dataset, document.received_ns) == (
        "site/x",
        "zeek.conn",
        1_760_000_000_123 * 10**6,
    )
    assert _reader(era=2).document(Record(CONN)).input == "kafka:cluster/t#2/3"


def test_a_producers_time_counts_only_where_that_is_said() -> None:
    """Beats puts the event's own time there."""
    record = Record(CONN, timestamp_type=0)
    with pytest.raises(SourceUnavailableError, match="create_time: untrusted"):
        _reader().document(record)
    assert _reader(create_time="untrusted").document(record).received_ns == 1_760_000_000_123 * 10**6
    trusted = Record(CONN, (("taken", b"1760000000.5"),), timestamp_type=0)
    assert _reader(received_header="taken").document(trusted).received_ns == 1_760_000_000_500_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1760000000", 1_760_000_000 * 10**9),
        (b"1760000000.25", 1_760_000_000_250_000_000),
        (b"1760000000123", 1_760_000_000_123 * 10**6),
        (b"1760000000123456", 1_760_000_000_123_456 * 10**3),
        (b"1760000000123456789", 1_760_000_000_123_456_789),
        (b"2025-10-09T08:53:20.000001Z", 1_760_000_000_000_001_000),
        (b"2025-10-09T10:53:20+02:00", 1_760_000_000 * 10**9),
        (b"0001-01-01T00:00:00+23:59", None),
        (b"-5", None),
        (b"1e9", None),
        (b"99999999999999999999", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_the_time_of_receipt_is_read_in_every_unit(text: bytes, expected: int | None) -> None:
    """By magnitude; what is no time is a dead letter, and never guessed."""
    reader, record = _reader(received_header="taken"), Record(CONN, (("taken", text),))
    if expected is None:
        with pytest.raises(DocumentRejectedError, match="is no time"):
            reader.document(record)
    else:
        assert reader.document(record).received_ns == expected


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record(b"x" * 1_001), "larger than 1000 bytes"),
        (Record(CONN, (("isthmus-source", b""),)), "header isthmus-source has 0 bytes"),
        (Record(CONN, (("isthmus-dataset", b"x" * 256),)), "header isthmus-dataset has 256 bytes"),
        (Record(CONN, (("isthmus-source", b"\xff"),)), "not UTF-8"),
    ],
)
def test_a_hostile_record_is_rejected(record: Record, said: str) -> None:
    """Size and names are bounded."""
    with pytest.raises(DocumentRejectedError, match=said):
        _reader(limit=1_000).document(record)


@pytest.mark.parametrize("value", [b"[" * 100_000, b"{", b'"x"', b"null", b'{"a": {"c": 1}}', b""])
def test_what_cannot_be_unwrapped_is_rejected(value: bytes) -> None:
    """Also when it is nested without end."""
    with pytest.raises(DocumentRejectedError):
        _reader(unwrap="a.b").document(Record(value))
