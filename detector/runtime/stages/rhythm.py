"""How long a source usually falls silent, by the hour of the week: what may be expected of it."""

from __future__ import annotations

from bisect import bisect_left

HOUR_NS = 3_600 * 10**9
HOURS = 168
"""Of a week, counted from an arbitrary one in UTC: a summer time shifts a rhythm by less than `SPREAD_HOURS`."""

SPREAD_HOURS = 1
"""An hour's neighbours count as much as itself: nobody starts work to the second."""

MARGIN = 2
"""A silence is told once it lasts this many times the longest usual one."""

RISE = 16
"""Steps that one silence may add to the longest usual one: four times. A long outage teaches little."""

_STEPS = (
    1_000_000_000,
    1_090_507_733,
    1_189_207_115,
    1_296_839_555,
    1_414_213_562,
    1_542_210_825,
    1_681_792_831,
    1_834_008_086,
)
_GAPS_NS = (0, *(step << octave for octave in range(32) for step in _STEPS))[:256]
"""What a byte stands for: an eighth of an octave a step, from 1 s to a century; 0 is never reached."""


def code_of(gap_ns: int) -> int:
    """Return the smallest byte that stands for at least a gap."""
    return max(1, min(bisect_left(_GAPS_NS, gap_ns), 255))


class Rhythm:
    """The longest silence reached in each hour of the week, a byte an hour, forgotten by half in eight weeks.

    A quantile over gaps would raise an alarm in proportion to a source's traffic; this is one over weeks.

    Args:
        codes: As `snapshot` gave it; unset: nothing is known.
    """

    __slots__ = ("_codes",)

    def __init__(self, codes: bytes = bytes(HOURS)) -> None:
        self._codes = bytearray(codes)

    def learn(self, last_ns: int, now_ns: int, *, since_ns: int, floor_ns: int) -> None:
        """Take a gap between two records.

        Args:
            last_ns: Ready time of the earlier one.
            now_ns: Of the later one.
            since_ns: Of the first one of all: its hour was seen in part, and waits for the next week.
            floor_ns: Silences up to here mean nothing, so they may always be learned.
        """
        first, final = last_ns // HOUR_NS, now_ns // HOUR_NS
        floor = code_of(floor_ns)
        for hour in range(max(first, final - HOURS + 1, since_ns // HOUR_NS + 1), final + 1):
            age_ns = min(now_ns, (hour + 1) * HOUR_NS) - last_ns
            self._reach(hour % HOURS, code_of(age_ns), floor, is_entered=hour > first)

    def longest_ns(self, hour: int) -> int:
        """Return the longest silence reached in an hour, counted from 1970."""
        return _GAPS_NS[self._codes[hour % HOURS]]

    def deadline_ns(self, last_ns: int, floor_ns: int) -> int | None:
        """Return when a silence since a time is longer than usual; None when it may well last a week."""
        first = last_ns // HOUR_NS
        for hour in range(first, first + HOURS):
            usual = max(self.longest_ns(each) for each in range(hour - SPREAD_HOURS, hour + SPREAD_HOURS + 1))
            limit_ns = last_ns + max(floor_ns, MARGIN * usual)
            if limit_ns < (hour + 1) * HOUR_NS:
                return max(limit_ns, hour * HOUR_NS)
        return None

    def snapshot(self) -> bytes:
        """Return the state: 168 bytes."""
        return bytes(self._codes)

    def _reach(self, slot: int, reached: int, floor: int, *, is_entered: bool) -> None:
        known = self._codes[slot]
        if is_entered and known > 1:
            known -= 1
        if reached > known:
            known = min(reached, max(known, floor) + RISE) if known else reached
        self._codes[slot] = known
