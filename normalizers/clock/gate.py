"""Errors of whole steps: a wrong zone, a change of time not made, a clock that lost its battery."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

QUARTER_S = 900.0
"""Zones differ by multiples of 15 minutes."""

NEAR_S = 90.0
"""So near to a multiple counts as one: the clock's own error and the ordinary delay are in it."""

_WIDEST_S = 26 * 3600.0
"""Zones reach from UTC-12 to UTC+14."""

_BEGINNINGS = (1970, 1980, 2000)
"""Years in which the clocks of devices begin when their battery is empty."""

_AROUND_S = 2 * 3600
"""A change of time is made this near to the transition."""

WholeStep = Literal["zone", "dst", "day", "rtc-reset"]


def whole_step(offset_s: float, device_ns: int, received_ns: int, zone: str | None = None) -> WholeStep | None:
    """Name the configuration error that an offset looks like.

    Args:
        offset_s: Device minus true time, or the size of a jump; seconds.
        device_ns: The device's stamp.
        received_ns: When it was received.
        zone: Zone of the site.

    Returns:
        None when the offset is no whole step.
    """
    if _year(device_ns) in _BEGINNINGS and _year(received_ns) - _year(device_ns) >= 2:
        return "rtc-reset"
    size_s = abs(offset_s)
    nearest_s = round(size_s / QUARTER_S) * QUARTER_S
    if nearest_s == 0 or nearest_s > _WIDEST_S or abs(size_s - nearest_s) > NEAR_S:
        return None
    if nearest_s == 3600 and zone is not None and _near_transition(received_ns // 10**9, ZoneInfo(zone)):
        return "dst"
    return "day" if nearest_s == 86_400 else "zone"


def _year(time_ns: int) -> int:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).year


def _near_transition(time_s: int, zone: ZoneInfo) -> bool:
    before, after = (datetime.fromtimestamp(time_s + by, zone).utcoffset() for by in (-_AROUND_S, _AROUND_S))
    return before != after
