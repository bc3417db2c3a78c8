"""What a poller saw of a device's clock: written in one header, kept with the record through every log."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.record import Document, RawRecord
from connectors.round_trip import NS, RoundTrip, decode_round_trip, encode_round_trip, parse_round_trip
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.kafka.wire import MalformedMessageError, decode_raw, raw_headers
from tests.detector.runtime.kafka.received import Received

TRIP = RoundTrip(1_792_483_200_250_000_000, 1_792_483_200_310_000_001, 1_792_483_080 * NS)
HEADER = "1792483200.25 1792483200.310000001 Tue, 20 Oct 2026 07:58:00 GMT"


def test_a_header_is_two_times_and_the_answers_date() -> None:
    assert parse_round_trip(HEADER) == TRIP
    assert parse_round_trip("0 0 Thu, 01 Jan 1970 00:00:00 GMT") == RoundTrip(0, 0, 0)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        HEADER.replace("1792483200.25", "1792483201.25"),
        HEADER.replace("1792483200.25", "1792483139"),
        HEADER.replace("1792483200.25", "nan"),
        HEADER.replace("1792483200.25", "1e9"),
        HEADER.replace("1792483200.25", "1.2.3"),
        HEADER.replace("1792483200.25", "-5"),
        HEADER.replace("GMT", "+0200"),
        HEADER.replace("GMT", "EST"),
        HEADER.replace("20 Oct", "32 Oct"),
        HEADER.replace("Oct", "Foo"),
        HEADER.replace("2026", "99999"),
        HEADER + " " + HEADER,
        "1792483200.25 1792483200.31",
        "9" * 100_000,
    ],
    ids=lambda each: each[:60],
)
def test_what_is_no_round_trip_is_refused(header: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any text says it
        parse_round_trip(header)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.text(max_size=40)
    | st.tuples(st.integers(-1, 10**11), st.integers(-1, 10**11), st.integers(0, 99), st.integers(0, 99_999)).map(
        lambda each: f"{each[0]} {each[1]} Tue, {each[2]:02} Oct {each[3]:04} {each[2]:02}:00:{each[2]:02} GMT"
    )
)
def test_whatever_a_header_holds_it_is_read_or_refused(header: str) -> None:
    with suppress(ValueError):
        assert parse_round_trip(header).answered_ns < 2**63


@pytest.mark.parametrize("stored", [b"", b"{}", b"[1,0,1,1]", b"[0,0,0,0]", b'["a",1,1]', b"[0,0,1e30,1]"])
def test_what_is_stored_wrong_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any text says it
        decode_round_trip(stored)
    headers = [("id", b"i"), ("dataset", b"d"), ("received_ns", b"1"), ("round_trip", stored)]
    with pytest.raises(MalformedMessageError):
        decode_raw(Received(headers), 5)


def test_it_stays_with_its_record_on_kafka() -> None:
    for trip in (TRIP, None):
        record = RawRecord("i", "s", "d", 7, b"v", trip)
        assert decode_raw(Received(raw_headers(record)), 9).record == record
    assert decode_round_trip(encode_round_trip(TRIP)) == TRIP


def test_it_stays_with_its_record_on_disk_also_in_a_log_begun_without(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "raw.db")
    old.execute(
        "CREATE TABLE raw (offset INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, id TEXT NOT NULL,"
        " source TEXT NOT NULL, dataset TEXT NOT NULL, received_ns INTEGER NOT NULL, ready_ns INTEGER NOT NULL,"
        " input TEXT, position INTEGER, value BLOB NOT NULL)"
    )
    old.execute("INSERT INTO raw VALUES (1, 0, 'i', 's', 'd', 5, 5, NULL, NULL, x'00')")
    old.commit()
    old.close()
    log = RawLog(tmp_path / "raw.db", SteppedClock(10), partitions=1, durable=False)
    log.append([Document(source="s", dataset="d", value=b"v", round_trip=TRIP)])
    entries = [each.entry for each in log.read(0, 10)]
    assert [each.record.round_trip for each in entries] == [None, TRIP]
    other = RawLog(tmp_path / "other.db", SteppedClock(10), partitions=1, durable=False)
    other.append_recorded(entries)
    assert [each.entry for each in other.read(0, 10)] == entries
    log.close()
    other.close()
