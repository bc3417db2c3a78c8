"""Times as devices write them, to UTC nanoseconds.

Every function refuses what it cannot read; none ever answers "now".
"""

from __future__ import annotations

import math
import re
from datetime import UTC as UTC_ZONE
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from normalizers.errors import BadTimestampError
from normalizers.source import UTC

NS = 10**9
MAX_TEXT = 64
"""No layout writes a longer time; anything above is refused before it is parsed."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC_ZONE)
_FIRST_NS = 0
_LAST_NS = 7_258_118_400 * NS
"""2200-01-01: a device whose clock says more is not telling a time."""

_KEPT = 4_096
"""Minutes and seconds that are remembered as read or written: records of one time come together."""

_QUARTER_NS = 900 * NS
"""Offsets from UTC are multiples of it, so a year begins with one everywhere."""

_CLEARLY_NEAREST_NS = 180 * 86_400 * NS
"""A day so near to the receipt is nearer in no other year."""

_LEAP = 60
"""A leap second is the same instant as the second after it for everything we compare."""

_FILETIME_EPOCH = 116_444_736_000_000_000
"""1970-01-01 in 100 ns ticks since 1601-01-01 (Microsoft, FILETIME structure)."""

_ISO = re.compile(
    r"""
    (?P<minute> \d{4}-\d{1,2}-\d{1,2} [Tt\ ]+ \d{1,2}:\d{2} )
    (?: : (?P<second>\d{2}) (?: [.,] (?P<fraction>\d{1,18}) )? )?
    \ ? (?P<offset> [Zz] | [+-]\d{2} (?: :?\d{2} )? )?
    """,
    re.VERBOSE | re.ASCII,
)
"""ISO 8601 / RFC 3339 as really written: a space for T, one-digit days, a comma, 7-digit fractions, no zone."""

_NUMBER = re.compile(r"\d+")

_BSD = re.compile(
    r"(?P<minute>[A-Za-z]{3}\s+\d{1,2}\s+\d{2}:\d{2}):(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?",
    re.ASCII,
)
"""RFC 3164 section 4.1.2: ``Dec 10 06:55:46``; no year, no zone."""

_ABBREVIATED = re.compile(
    r"(?P<stamp>(?P<minute>\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2}):\d{2}(?:\.\d{1,9})?)(?: (?P<zone>[A-Za-z]{1,5}))?",
    re.ASCII,
)
"""``2019-08-09 16:18:55 PDT``."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_DIGITS = {"s": 9, "ms": 6, "us": 3, "ns": 0}
"""Digits after the point that a count has in nanoseconds."""

_PLAIN = re.compile(r"(\d{1,20})(?:\.(\d+))?", re.ASCII)
"""A count as nearly every device writes it: anything else is read slowly."""

_ABBREVIATIONS = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180,
    "MSK": 180, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420,
    "AKST": -540, "AKDT": -480, "HST": -600, "JST": 540, "KST": 540, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
}  # fmt: skip
"""Minutes east of UTC. Abbreviations are ambiguous; the source's own zone is asked first."""


def parse_iso8601(text: str, zone: ZoneInfo = UTC) -> int:
    """Read an ISO 8601 time.

    Args:
        text: ``2026-10-20T03:12:44.1234567+02:00`` and its relaxed forms; fractions are cut to nanoseconds.
        zone: Zone of a stamp that names none. A stamp inside a gap of that zone is read with the offset before
            the gap; of two possible instants the first is taken.

    Returns:
        UTC nanoseconds.

    Raises:
        BadTimestampError: Not this layout, or outside 1970 to 2200.
    """
    found = _ISO.fullmatch(text.strip()) if len(text) <= MAX_TEXT else None
    if found is None:
        raise BadTimestampError(text, "an ISO 8601 time")
    minute, second, fraction, offset = found.groups()
    start_ns = _iso_minute_ns(minute, zone if offset is None else offset)
    return _in_minute(text, start_ns, second, fraction)


def parse_rfc3164(text: str, received_ns: int, zone: ZoneInfo = UTC) -> int:
    """Read a BSD syslog time, which has neither year nor zone.

    Args:
        text: ``Dec 10 06:55:46``.
        received_ns: When the record was taken; the year is the one that puts the stamp nearest to it.
        zone: Zone of the device.

    Raises:
        BadTimestampError: Not this layout.
    """
    found = _BSD.fullmatch(text.strip()) if len(text) <= MAX_TEXT else None
    if found is None or found["minute"][:3].lower() not in _MONTHS:
        raise BadTimestampError(text, "a BSD syslog time such as 'Dec 10 06:55:46'")
    minute, second, fraction = found.groups()
    year = _year_of(received_ns // _QUARTER_NS, zone)
    start_ns = _bsd_minute_ns(minute, year, zone)
    if start_ns is None or start_ns < _FIRST_NS or abs(start_ns - received_ns) > _CLEARLY_NEAREST_NS:
        starts = [_bsd_minute_ns(minute, each, zone) for each in (year - 1, year, year + 1)]
        possible = [each for each in starts if each is not None and _FIRST_NS <= each < _LAST_NS]
        within_ns = int(second) * NS
        start_ns = min(possible, key=lambda each: abs(each + within_ns - received_ns), default=None)
    return _in_minute(text, start_ns, second, fraction)


def parse_zone_abbreviation(text: str, zone: ZoneInfo = UTC) -> int:
    """Read a time with a zone abbreviation.

    Args:
        text: ``2019-08-09 16:18:55 PDT``; without abbreviation it is in `zone`.
        zone: The source's zone; an abbreviation that it uses means it (IST is Dublin, Jerusalem or Kolkata).

    Raises:
        BadTimestampError: Not this layout, or an abbreviation that nobody can place.
    """
    found = _ABBREVIATED.fullmatch(text.strip()) if len(text) <= MAX_TEXT else None
    if found is None:
        raise BadTimestampError(text, "a time such as '2019-08-09 16:18:55 PDT'")
    name = (found["zone"] or "").upper()
    if not name:
        return parse_iso8601(found["stamp"], zone)
    utc_ns = parse_iso8601(found["stamp"], UTC)
    east_ns = _abbreviated_ns(found["minute"], name, zone)
    if east_ns is None:
        raise BadTimestampError(text, f"a time whose zone {name!r} is known; set `zone` of the source")
    return _in_range(text, utc_ns - east_ns)


def parse_pattern(text: str, pattern: str, zone: ZoneInfo = UTC) -> int:
    """Read a time by a `datetime.strptime` pattern.

    Args:
        text: The stamp.
        pattern: Such as ``%m/%d/%Y %I:%M:%S %p``.
        zone: Zone of a stamp whose pattern has no ``%z``.

    Raises:
        BadTimestampError: The text does not follow the pattern.
    """
    if len(text) > MAX_TEXT:
        raise BadTimestampError(text, f"a time like {pattern}")
    try:
        stamp = datetime.strptime(text.strip(), pattern)  # noqa: DTZ007  the zone is put in below
    except ValueError as error:
        raise BadTimestampError(text, f"a time like {pattern}") from error
    minute = [stamp.year, stamp.month, stamp.day, stamp.hour, stamp.minute]
    return _in_minute(text, _minute_ns(minute, stamp.tzinfo or zone), f"{stamp.second}", f"{stamp.microsecond:06d}")


def from_epoch(value: float | str, unit: Literal["s", "ms", "us", "ns"]) -> int:
    """Read a count since 1970.

    Args:
        value: Exact for whole numbers and text; a float keeps what it can hold (about 100 ns in this decade).
        unit: What is counted.

    Raises:
        BadTimestampError: Not a finite number, or outside 1970 to 2200.
    """
    if isinstance(value, bool) or (isinstance(value, str) and len(value) > MAX_TEXT):
        raise BadTimestampError(value, "a number since 1970")
    if isinstance(value, int):
        return _in_range(value, value * 10 ** _DIGITS[unit])
    if isinstance(value, float) and not math.isfinite(value):
        raise BadTimestampError(value, "a finite number since 1970")
    written = repr(value) if isinstance(value, float) else value.strip()
    if found := _PLAIN.fullmatch(written):
        whole, part = found.groups()
        digits = _DIGITS[unit]
        return _in_range(value, int(whole + f"{part or '':0<{digits}.{digits}}"))
    try:
        exact = Decimal(written)
    except InvalidOperation as error:
        raise BadTimestampError(value, "a number since 1970") from error
    if not exact.is_finite() or exact.adjusted() > 20:
        raise BadTimestampError(value, "a finite number since 1970")
    return _in_range(value, int(exact * 10 ** _DIGITS[unit]))


def parse_filetime(value: int | str) -> int:
    """Read a Windows FILETIME: 100 ns ticks since 1601.

    Raises:
        BadTimestampError: Not a whole number, or outside 1970 to 2200.

    References:
        Microsoft Learn, FILETIME structure (minwinbase.h).
    """
    if isinstance(value, bool) or (
        isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 21)
    ):
        raise BadTimestampError(value, "a Windows FILETIME")
    return _in_range(value, (int(value) - _FILETIME_EPOCH) * 100)


def format_utc(time_ns: int) -> str:
    """Write UTC nanoseconds as ISO 8601 with as many digits as needed (none, 3, 6 or 9)."""
    seconds, rest = divmod(time_ns, NS)
    text = _second_text(seconds)
    if rest == 0:
        return text + "Z"
    digits = f"{rest:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"


@lru_cache(maxsize=_KEPT)
def _second_text(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=_KEPT)
def _iso_minute_ns(minute: str, where: ZoneInfo | str) -> int | None:
    """Return when a minute such as `2026-10-20T03:12` begins in a zone or at an offset; None when it does not exist."""
    zone = _fixed_zone(where) if isinstance(where, str) else where
    return _minute_ns([int(each) for each in _NUMBER.findall(minute)], zone)


@lru_cache(maxsize=_KEPT)
def _bsd_minute_ns(minute: str, year: int, zone: ZoneInfo) -> int | None:
    """Return when a minute such as `Dec 10 06:55` of a year begins; None when it does not exist in that year."""
    return _minute_ns([year, _MONTHS[minute[:3].lower()], *map(int, _NUMBER.findall(minute))], zone)


def _minute_ns(parts: list[int], zone: tzinfo) -> int | None:
    year, month, day, hour, minute = parts
    try:
        since = datetime(year, month, day, hour, minute, tzinfo=zone) - _EPOCH
    except ValueError:
        return None
    return (since.days * 86_400 + since.seconds) * NS


def _in_minute(text: str, start_ns: int | None, second: str | None, fraction: str | None) -> int:
    """Return the time of a second, and a part of one, within a minute."""
    seconds = int(second or 0)
    if start_ns is None or seconds > _LEAP:
        raise BadTimestampError(text, "a day and time that exist")
    return _in_range(text, start_ns + seconds * NS + (int(f"{fraction:0<9.9}") if fraction else 0))


@lru_cache(maxsize=_KEPT)
def _year_of(quarter: int, zone: ZoneInfo) -> int:
    return (_EPOCH + timedelta(microseconds=quarter * (_QUARTER_NS // 1_000))).astimezone(zone).year


@lru_cache(maxsize=_KEPT)
def _abbreviated_ns(minute: str, name: str, zone: ZoneInfo) -> int | None:
    """Return how far east of UTC an abbreviation lies at a local minute; None when nobody can place it."""
    stamp = datetime(*[int(each) for each in _NUMBER.findall(minute)], tzinfo=zone)  # type: ignore[arg-type,misc]
    for fold in (0, 1):
        local = stamp.replace(fold=fold)
        if local.tzname() == name:
            offset = local.utcoffset() or timedelta(0)
            return round(offset.total_seconds()) * NS
    minutes = _ABBREVIATIONS.get(name)
    return None if minutes is None else minutes * 60 * NS


def _in_range(text: object, time_ns: int) -> int:
    if not _FIRST_NS <= time_ns < _LAST_NS:
        raise BadTimestampError(text, "between 1970 and 2200")
    return time_ns


@lru_cache(maxsize=256)
def _fixed_zone(offset: str) -> tzinfo:
    if offset in "Zz":
        return UTC_ZONE
    digits = offset[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    if minutes >= 24 * 60:
        raise BadTimestampError(offset, "an offset below 24 hours")
    return timezone(timedelta(minutes=minutes if offset[0] == "+" else -minutes))
