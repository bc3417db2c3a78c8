"""Times of events as they come in fields: ISO 8601 texts, and counts since 1970 whose unit their size tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNITS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))
"""Seconds, milliseconds and microseconds: each number below the first counts units of so many nanoseconds.

As seconds, a number from 10**11 on would lie beyond the year 5000.
"""
_LONGEST = 40
"""Characters of a time; a longer text is none."""


def instant_ns(value: object) -> int | None:
    """Return a time in UTC nanoseconds, None when the value is none; a text without a zone is UTC."""
    if not isinstance(value, str):
        return _of_number(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if len(value) > _LONGEST:
        return None
    try:
        stamp = datetime.fromisoformat(value)
    except ValueError:
        return None
    return datetime_ns(stamp)


def datetime_ns(stamp: datetime) -> int:
    """Return a date's UTC nanoseconds; without a zone it is UTC."""
    return ((stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND * 1_000


def utc_of(value: object) -> datetime | None:
    """Return a time as a date in UTC, None when the value is none or beyond the years 1 to 9999."""
    time_ns = instant_ns(value)
    try:
        return None if time_ns is None else _EPOCH + timedelta(microseconds=time_ns // 1_000)
    except OverflowError:
        return None


def _of_number(value: float) -> int | None:
    try:
        return int(value * next((unit for below, unit in _UNITS if abs(value) < below), 1))
    except (ValueError, OverflowError):  # not a number, infinity
        return None
