"""Times of an alert: UTC for machines, the site's own with its offset for people."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from normalizers.timestamps import format_utc


def utc(time_ns: int) -> str:
    """Write a time as ISO 8601 with milliseconds or more, ending in Z."""
    return format_utc(time_ns)


def local(time_ns: int, zone: str | None) -> str:
    """Write a time as the site's people read it: ``2026-10-20T03:12:44+02:00``; UTC where no zone is known."""
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    if zone is not None:
        with suppress(ZoneInfoNotFoundError, ValueError):
            moment = moment.astimezone(ZoneInfo(zone))
    return moment.isoformat()
