"""Times of events as they come in fields: ISO 8601 texts, and seconds or milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 10**11
"""A number above this is milliseconds: as seconds it would lie beyond the year 5000."""
_LONGEST = 40
"""Characters of a time; a longer text is none."""


def instant_ns(value: object) -> int | None:
    """Return a time in UTC nanoseconds, None when the value is none; a text without a zone is UTC."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _of_number(value)
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    try:
        stamp = datetime.fromisoformat(value)
    except ValueError:
        return None
    return datetime_ns(stamp)


def datetime_ns(stamp: datetime) -> int:
    """Return a date's UTC nanoseconds; without a zone it is UTC."""
    since = (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def _of_number(value: float) -> int | None:
    try:
        return int(value * 10**6) if abs(value) >= _MILLISECONDS_FROM else int(value * 10**9)
    except (ValueError, OverflowError):  # not a number, infinity
        return None
