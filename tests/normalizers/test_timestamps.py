"""Times as devices write them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizers.errors import BadTimestampError
from normalizers.timestamps import (
    format_utc,
    from_epoch,
    parse_filetime,
    parse_iso8601,
    parse_rfc3164,
    parse_zone_abbreviation,
)

BERLIN = ZoneInfo("Europe/Berlin")


def _ns(  # noqa: PLR0917  the parts of a time
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, *, nanoseconds: int = 0
) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * 10**9 + nanoseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-20T03:10:00Z", _ns(2026, 10, 20, 3, 10)),
        ("2026-10-20 03:10:00", _ns(2026, 10, 20, 1, 10)),
        ("2026-10-20T03:10:00+05:30", _ns(2026, 10, 19, 21, 40)),
        ("2026-10-20T03:10:00.1234567Z", _ns(2026, 10, 20, 3, 10, nanoseconds=123_456_700)),
        ("2026-10-2T03:10:00Z", _ns(2026, 10, 2, 3, 10)),
        ("2026-10-25T02:30:00", _ns(2026, 10, 25, 0, 30)),
    ],
)
def test_iso_with_zone_offset_fraction_and_the_hour_that_comes_twice(text: str, expected: int) -> None:
    assert parse_iso8601(text, BERLIN) == expected


def test_a_syslog_time_gets_the_year_nearest_to_its_receipt() -> None:
    new_year = _ns(2026, 1, 1, 0, 0, 5)
    assert parse_rfc3164("Dec 31 23:59:58", new_year) == _ns(2025, 12, 31, 23, 59, 58)
    assert parse_rfc3164("Jan  1 00:00:01", new_year) == _ns(2026, 1, 1, 0, 0, 1)


def test_zone_abbreviations_and_epochs_and_filetimes() -> None:
    assert parse_zone_abbreviation("2019-08-09 16:18:55 PDT") == _ns(2019, 8, 9, 23, 18, 55)
    assert from_epoch(1_747_398_906_110, "ms") == 1_747_398_906_110 * 10**6
    assert from_epoch("1747398906.000001", "s") == 1_747_398_906 * 10**9 + 1_000
    assert from_epoch(1_747_398_906_110_123, "us") == 1_747_398_906_110_123_000
    assert parse_filetime(133_809_078_112_555_418) == _ns(2025, 1, 9, 14, 50, 11, nanoseconds=255_541_800)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_iso8601, "yesterday"),
        (parse_iso8601, "2026-13-01T00:00:00Z"),
        (parse_iso8601, "1969-12-31T23:59:59Z"),
        (parse_iso8601, "2300-01-01T00:00:00Z"),
        (parse_iso8601, "2" * 10_000),
        (parse_zone_abbreviation, "2019-08-09 16:18:55 QQQ"),
        (parse_filetime, "x"),
    ],
)
def test_what_is_no_time_is_refused(parse: Callable[[str], int], text: str) -> None:
    with pytest.raises(BadTimestampError):
        parse(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1e400", "", True])
def test_numbers_that_are_no_time_are_refused(value: float | str) -> None:
    with pytest.raises(BadTimestampError):
        from_epoch(value, "s")


@given(st.integers(0, 7 * 10**18))
def test_writing_and_reading_give_the_same_time(time_ns: int) -> None:
    assert parse_iso8601(format_utc(time_ns)) == time_ns


@given(st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)), st.integers(-182, 182))  # noqa: DTZ001  local
def test_a_syslog_time_is_the_same_by_its_minute_as_by_itself(local: datetime, days: int) -> None:
    """Minutes are remembered; neither another second of one nor another receipt changes what a stamp says."""
    stamp = local.replace(microsecond=0, tzinfo=BERLIN)
    expected = round(stamp.timestamp()) * 10**9
    received_ns = max(expected + days * 86_400 * 10**9, 0)
    assert parse_rfc3164(f"{stamp:%b} {stamp.day:2} {stamp:%H:%M:%S}", received_ns, BERLIN) == expected
